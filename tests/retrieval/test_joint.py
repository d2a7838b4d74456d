"""Models of format 2: several trunks in one small file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from retrieval.cellview import CellView
from retrieval.joint import JointModel, Projection, Trunk
from retrieval.model import Described, ModelError, load_model, read_model_file
from retrieval.packing import Parts, pack_model
from retrieval.precision import restored, shrunk


@pytest.fixture(scope="module")
def model(tiny_joint_model: Path) -> JointModel:
    loaded = load_model(tiny_joint_model)
    assert isinstance(loaded, JointModel)
    return loaded


@pytest.fixture(scope="module")
def images(painted: Path) -> list[np.ndarray]:
    from PIL import Image

    return [np.asarray(Image.open(file)) for file in sorted(painted.rglob("*.png"))[:7]]


def test_what_a_model_says_of_itself(model: JointModel) -> None:
    assert model.dim == 32
    assert model.feature_parts == (("taught", 16), ("frozen", 8))
    assert model.score_classes == ("neutrophil", "eosinophil", "lymphocyte")
    assert model.leaf_classes == ("band_neutrophil", "basophil")
    assert isinstance(model.view, CellView)
    assert model.finder is not None
    assert model.metadata["about"] == {"purpose": "tests"}


def test_shapes_types_and_ranges(model: JointModel, images: list[np.ndarray]) -> None:
    said = model.describe(images)
    assert said.vectors.shape == (7, 32)
    assert said.vectors.dtype == said.scores.dtype == np.float32
    assert said.features.shape == (7, 24)
    assert said.features.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(said.vectors, axis=1), 1, atol=1e-5)
    for scores, width in ((said.scores, 3), (said.leaves, 2)):
        assert scores.shape == (7, width)
        np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    none = model.describe([])
    assert [each.shape for each in (none.vectors, none.features, none.scores, none.leaves)] == [
        (0, 32), (0, 24), (0, 3), (0, 2),
    ]  # fmt: skip
    assert len(Described.joined([said, said[:2], none])) == 9


def test_a_batch_says_what_each_picture_says_alone(
    model: JointModel, images: list[np.ndarray]
) -> None:
    together = model.describe(images, typical=40.0)
    for row, image in enumerate(images):
        alone = model.describe([image], typical=40.0)
        np.testing.assert_allclose(alone.vectors[0], together.vectors[row], atol=1e-4)
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-4)
        np.testing.assert_allclose(alone.features[0], together.features[row], atol=2e-2)


def test_the_inner_product_is_the_mean_of_the_cosines_and_features_are_projected(
    model: JointModel, images: list[np.ndarray]
) -> None:
    pictures = np.stack([model.picture(image) for image in images])
    said = model.describe_pictures(pictures)
    halves = said.vectors.reshape(7, 2, 16) * 2**0.5
    np.testing.assert_allclose(np.linalg.norm(halves, axis=2), 1, atol=1e-5)
    cosines = np.einsum("ntd,mtd->nmt", halves, halves)
    np.testing.assert_allclose(said.vectors @ said.vectors.T, cosines.mean(2), atol=1e-5)
    with torch.inference_mode():
        pooled = model._trunks[2].pooled(model._normalised(pictures))
        last = model._projections[2]
        expected = (pooled - last.mean) @ last.matrix.T
    np.testing.assert_allclose(said.features[:, 16:], expected.numpy(), atol=2e-2)


def small_parts(**more: object) -> Parts:
    torch.manual_seed(3)
    trunks = [Trunk("mobilenet_v2", 32, 8, 2)]
    projection = Projection("taught", (0,), torch.zeros(1280), torch.randn(4, 1280))
    values = {"projections": [projection], "classes": ("monocyte", "basophil"), **more}
    return Parts(trunks, CellView(32), None, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", ["int8", "float16"])
def test_stored_small_it_says_nearly_the_same(tmp_path: Path, stored: str) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (40, 40, 3), np.uint8) for _ in range(4)]
    pack_model(tmp_path / "full.safetensors", small_parts(), stored="float32")
    pack_model(tmp_path / "small.safetensors", small_parts(), stored=stored)
    full, small = (
        load_model(tmp_path / f"{name}.safetensors").describe(images) for name in ("full", "small")
    )
    assert (full.vectors * small.vectors).sum(1).min() > 0.999
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("small", "full")]
    assert sizes[0] < (0.3 if stored == "int8" else 0.55) * sizes[1]


def test_rows_come_back_within_half_a_step() -> None:
    torch.manual_seed(0)
    weights = torch.randn(5, 1280, 1, 1) * torch.logspace(-3, 1, 5).reshape(5, 1, 1, 1)
    weights[2] = 0
    state = {"w": weights, "deep": torch.randn(6, 1, 3, 3), "x.running_var": torch.rand(6) * 1e-9}
    small = shrunk(state, "int8")
    assert small["w"].dtype == torch.int8
    assert small["deep"].dtype == torch.float16
    back = restored(small)
    step = weights.abs().flatten(1).amax(1) / 127
    assert ((back["w"] - weights).abs().flatten(1).amax(1) <= 0.6 * step).all()
    assert torch.equal(back["x.running_var"], state["x.running_var"])
    with pytest.raises(ModelError, match="stored precision is 'int4', allowed is one of int8"):
        shrunk(state, "int4")


def test_id_is_of_content_alone_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    first = pack_model(file, small_parts())
    assert first == pack_model(tmp_path / "n.safetensors", small_parts(about={"licence": "x"}))
    assert first == load_model(file).id
    assert first != pack_model(tmp_path / "o.safetensors", small_parts(sharpness=4.0))
    state, metadata = load_file(file), read_model_file(file)[1]
    state["projections.0.mean"][0] += 1
    save_file(state, file, metadata={"cellkin": json.dumps(metadata)})
    with pytest.raises(ModelError, match="was changed: its content does not match its id"):
        load_model(file)
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(file)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"classes": ("monocyte",)}, "a trunk's class head has 2 outputs for 1 codes"),
        ({"leaves": ("basophil",)}, "a trunk's leaf head has 0 outputs for 1 codes"),
        (
            {"projections": [Projection("x", (1,), torch.zeros(1280), torch.zeros(4, 1280))]},
            "its trunks give nothing: there is none of that number",
        ),
        (
            {"projections": [Projection("x", (0,), torch.zeros(1280), torch.zeros(4, 128))]},
            r"has shape \(4, 128\) and mean \(1280,\), its trunks give 1280",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, more: dict, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        pack_model(tmp_path / "m.safetensors", small_parts(**more))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelError, match="no trunk has an embedding head"):
        pack_model(tmp_path / "m.safetensors", Parts([Trunk("mobilenet_v2", 32)], CellView(32)))


def test_training_can_start_from_it(tiny_joint_model: Path) -> None:
    from retrieval.network import EmbeddingNetwork
    from retrieval.training.start import load_start

    network = EmbeddingNetwork("mobilenet_v2", 16, 64)
    load_start(network, str(tiny_joint_model))
    state = read_model_file(tiny_joint_model)[0]
    bias = network.state_dict()["head.bias"]
    np.testing.assert_allclose(bias, state["trunks.0.head.bias"].float(), atol=1e-6)

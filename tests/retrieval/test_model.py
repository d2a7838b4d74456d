"""The view, the model file and its id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from retrieval.model import ModelError, load_model, read_model_file, save_model
from retrieval.network import EmbeddingNetwork
from retrieval.view import View


@pytest.fixture
def network() -> EmbeddingNetwork:
    torch.manual_seed(5)
    return EmbeddingNetwork("mobilenet_v2", 16, 64)


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 / height, columns * 255 / width, 0 * rows + 128], 2).astype(
        np.uint8
    )


def test_view_takes_the_middle_and_keeps_what_it_shows_at_any_size() -> None:
    view = View(48, 0.5)
    large, small = view.picture(gradient(360, 360)), view.picture(gradient(192, 192))
    assert large.shape == (48, 48, 3)
    assert np.abs(large.astype(int) - small).max() <= 3
    assert 60 < large[0, 0, 0] < 70  # the middle half begins at a quarter
    assert 185 < large[-1, -1, 1] < 195


@pytest.mark.parametrize("shape", [(363, 360), (20, 75), (1, 1), (64, 1)])
def test_view_takes_any_shape(shape: tuple[int, int]) -> None:
    assert View(32, 0.75).picture(gradient(*shape)).shape == (32, 32, 3)


def test_embeddings_are_unit_vectors_and_do_not_depend_on_the_batch(
    network: EmbeddingNetwork, tmp_path: Path
) -> None:
    save_model(tmp_path / "m.safetensors", network, View(64, 0.75))
    model = load_model(tmp_path / "m.safetensors")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (70 + i, 64, 3), np.uint8) for i in range(5)]
    together = model.embed_batch(images)
    assert together.shape == (5, 16)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(model.embed_batch(images[3:4])[0], together[3], atol=1e-4)
    assert model.embed_batch([]).shape == (0, 16)


def test_id_is_of_weights_and_view_alone(network: EmbeddingNetwork, tmp_path: Path) -> None:
    first = save_model(tmp_path / "a.safetensors", network, View(64, 0.75), {"licence": "x"})
    again = save_model(tmp_path / "b.safetensors", network, View(64, 0.75), {"licence": "y"})
    other_view = save_model(tmp_path / "c.safetensors", network, View(64, 0.8))
    with torch.no_grad():
        network.head.bias[0] += 1
    other_weights = save_model(tmp_path / "d.safetensors", network, View(64, 0.75))
    assert first == again == load_model(tmp_path / "a.safetensors").id
    assert len({first, other_view, other_weights}) == 3


def test_a_changed_file_is_refused(network: EmbeddingNetwork, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    save_model(file, network, View(64, 0.75))
    state, metadata = load_file(file), read_model_file(file)[1]
    state["head.bias"][0] += 1
    import json

    save_file(state, file, metadata={"cellkin": json.dumps(metadata)})
    with pytest.raises(ModelError, match="was changed: its content does not match its id"):
        load_model(file)


def test_damaged_missing_and_foreign_files_are_refused(
    network: EmbeddingNetwork, tmp_path: Path
) -> None:
    file = tmp_path / "m.safetensors"
    save_model(file, network, View(64, 0.75))
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(file)
    with pytest.raises(ModelError, match="there is no model file"):
        load_model(tmp_path / "absent.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="not a CellKin model"):
        load_model(tmp_path / "foreign.safetensors")


def test_nothing_half_written_stays_when_writing_fails(
    network: EmbeddingNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("retrieval.modelfile.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(tmp_path / "m.safetensors", network, View(64, 0.75))
    assert list(tmp_path.iterdir()) == []

"""Every registered backbone builds and pools to the width it states."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision

from retrieval.backbones import BACKBONES, BackboneError, backbone
from retrieval.network import EmbeddingNetwork, for_inference
from retrieval.training.start import load_start


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_pools_to_its_width(name: str) -> None:
    entry = BACKBONES[name]
    network = entry.build(64).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, entry.width)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_names_weights_that_torchvision_knows(name: str) -> None:
    assert torchvision.models.get_weight(BACKBONES[name].weights).url.startswith("https://")


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "efficientnet_b0", "convnext_tiny"])
def test_folding_batch_norms_changes_nothing_but_rounding(name: str) -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(name, 16, 64)
    network.train()(torch.rand(8, 3, 64, 64))  # gives the batch norms statistics of their own
    network.eval()
    pictures = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        before = network(pictures)
        after = for_inference(network)(pictures)
    torch.testing.assert_close(after, before, atol=2e-4, rtol=0)


def test_unknown_backbone_is_refused_with_the_list() -> None:
    with pytest.raises(BackboneError, match=r"unknown backbone 'alexnet'.*mobilenet_v2"):
        backbone("alexnet")


def test_no_network_says_where_to_get_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    network = EmbeddingNetwork("mobilenet_v2", 8, 64)
    with pytest.raises(BackboneError, match=r"could not be downloaded.*--weights FILE"):
        load_start(network, "imagenet")


def test_torchvision_state_dict_fills_the_trunk(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = torchvision.models.mobilenet_v2(weights=None)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    network = EmbeddingNetwork("mobilenet_v2", 8, 64)
    load_start(network, str(tmp_path / "weights.pth"))
    torch.testing.assert_close(
        network.state_dict()["trunk.features.0.0.weight"],
        source.state_dict()["features.0.0.weight"],
    )


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "r18.pth")
    network = EmbeddingNetwork("mobilenet_v2", 8, 64)
    with pytest.raises(BackboneError, match="do not fit the backbone mobilenet_v2"):
        load_start(network, str(tmp_path / "r18.pth"))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import pickle

    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("harm",))

    (tmp_path / "harm.pth").write_bytes(pickle.dumps(Harm()))
    network = EmbeddingNetwork("mobilenet_v2", 8, 64)
    with pytest.raises(BackboneError, match="cannot be read as tensors"):
        load_start(network, str(tmp_path / "harm.pth"))


@pytest.mark.realdata
def test_the_imagenet_weights_at_hand_fill_the_whole_trunk(real_weights: Path) -> None:
    network = EmbeddingNetwork("mobilenet_v2", 8, 96)
    before = network.state_dict()["trunk.features.17.conv.2.weight"].clone()
    load_start(network, str(real_weights / "mobilenet_v2_imagenet.pth"))
    assert not torch.equal(before, network.state_dict()["trunk.features.17.conv.2.weight"])

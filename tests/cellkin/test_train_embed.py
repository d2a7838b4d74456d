"""The verbs train and embed, through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = (
    *("--weights", "random", "--input-size", 32, "--dim", 16, "--batch-size", 8),
    *("--steps-per-epoch", 2, "--epochs", 1, "--precision", "float32"),
)


@pytest.fixture
def named(painted_atlas: Path, tmp_path: Path) -> Path:
    shutil.copytree(painted_atlas, tmp_path / "named")
    return tmp_path / "named"


@pytest.mark.slow
def test_train_then_embed_then_query(named: Path, painted: Path, run_cellkin: Callable) -> None:
    trained = run_cellkin("train", named, *SMALL, "--json")
    assert trained.status == 0, trained.stderr
    report = json.loads(trained.stdout)
    assert report["train_cells"] + report["val_cells"] > 8
    assert 0 <= report["map_at_r"] <= 1

    embedded = run_cellkin("embed", named, "--json")
    assert json.loads(embedded.stdout)["model"] == report["model_id"]
    assert json.loads(embedded.stdout)["embedded"] > 8
    assert json.loads(run_cellkin("embed", named, "--json").stdout)["embedded"] == 0

    picture = next(painted.rglob("*.png"))
    found = json.loads(run_cellkin("query", named, picture, "-k", 3, "--json").stdout)
    assert json.dumps(found).count("similarity") >= 3


@pytest.mark.slow
def test_resume_needs_the_same_options(named: Path, run_cellkin: Callable) -> None:
    assert run_cellkin("train", named, *SMALL).status == 0
    other = run_cellkin("train", named, *SMALL, "--seed", 4, "--resume")
    assert other.status == 1
    assert "had seed 0, this call has 4" in other.stderr
    assert "Traceback" not in other.stderr


def test_embed_takes_another_model_file(
    named: Path, tiny_model: Path, run_cellkin: Callable
) -> None:
    again = run_cellkin("embed", named, "--model", tiny_model)
    assert again.status == 0
    assert again.stdout.startswith("0 cells embedded under model")


def test_embed_refuses_a_model_that_is_none(
    named: Path, tmp_path: Path, run_cellkin: Callable
) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"no model")
    result = run_cellkin("embed", named, "--model", tmp_path / "m.safetensors")
    assert result.status == 1
    assert "cannot be read" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_train_without_network_says_where_to_get_weights(
    named: Path, run_cellkin: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.error import URLError

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    result = run_cellkin("train", named, "--weights", "imagenet")
    assert result.status == 1
    assert "--weights FILE" in result.stderr

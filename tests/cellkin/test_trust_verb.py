"""``cellkin trust``: words, JSON, the picture; and what embed says of a set without labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from retrieval.painter import paint_dataset


@pytest.fixture(scope="module")
def strange(tmp_path_factory) -> Path:
    """Painted cells of other sizes, all blue: another laboratory, without labels."""
    folder = tmp_path_factory.mktemp("strange") / "cells"
    paint_dataset(folder, per_class=3, seed=9, size=64)
    flat = folder.parent / "flat"
    flat.mkdir()
    for number, file in enumerate(sorted(folder.rglob("*.png"))):
        with Image.open(file) as picture:
            red, green, blue = picture.convert("RGB").split()
        Image.merge("RGB", (blue, green, red)).save(flat / f"{number}.png")
    return flat


@pytest.fixture
def atlas_with_strange(painted_atlas, strange, run_cellkin) -> Path:
    assert run_cellkin("import", painted_atlas, strange, "--dataset", "strange").status == 0
    return painted_atlas


def test_embed_says_what_an_unlabelled_set_is_like(atlas_with_strange, run_cellkin):
    result = run_cellkin("embed", atlas_with_strange)
    assert result.status == 0
    assert "data set strange has no label: " in result.stderr
    assert "nearest painted: p " in result.stderr
    assert "cellkin trust" in result.stderr
    again = run_cellkin("embed", atlas_with_strange)
    assert "no label" not in again.stderr


def test_embed_says_it_of_a_hardly_labelled_set_too(
    painted_atlas, strange, run_cellkin, tmp_path
) -> None:
    some = tmp_path / "some.csv"
    some.write_text("file,class\n0.png,basophil\n1.png,basophil\n", encoding="utf-8")
    imported = run_cellkin("import", painted_atlas, strange, "--labels", some, "--dataset", "few")
    assert imported.status == 0, imported.stderr
    result = run_cellkin("embed", painted_atlas)
    assert "data set few has 2 labels: " in result.stderr
    assert "nearest painted: p " in result.stderr


def test_a_set_without_labels(atlas_with_strange, run_cellkin, tmp_path):
    assert run_cellkin("embed", atlas_with_strange).status == 0
    out = tmp_path / "trust.png"
    result = run_cellkin("trust", atlas_with_strange, "--dataset", "strange", "--out", out)
    assert result.status == 0, result.stderr
    assert "cells, 0 labelled" in result.stdout
    assert "expected accuracy about" in result.stdout
    assert "laboratory painted" in result.stdout
    assert "classes a prediction set" in result.stdout
    # so few known cells that nothing could be checked on them
    assert "nothing is drawn: no labelled cell is known" in result.stderr
    assert not out.exists()


def test_a_set_with_labels_of_its_own(painted_atlas, run_cellkin, tmp_path):
    out = tmp_path / "trust.png"
    told = json.loads(
        run_cellkin("trust", painted_atlas, "--dataset", "painted", "--json", "--out", out).stdout
    )
    assert told["labels"] == told["cells"] > 20
    assert told["trust"]["source"] == "labels"
    low, high = told["interval"]
    assert 0 <= low <= told["right"] <= high <= 1
    assert "are answered rightly without their own label" in told["words"][0]
    assert told["trust"]["expected"] is None
    assert told["picture"] == str(out)
    with Image.open(out) as drawn:
        assert drawn.size[0] > 1000


def test_what_cannot_be_asked(painted_atlas, run_cellkin, strange):
    unknown = run_cellkin("trust", painted_atlas, "--dataset", "nowhere")
    assert unknown.status == 1
    assert "nowhere" in unknown.stderr
    assert run_cellkin("import", painted_atlas, strange, "--dataset", "strange").status == 0
    bare = run_cellkin("trust", painted_atlas, "--dataset", "strange")
    assert bare.status == 1
    assert "no cell of data set strange is embedded" in bare.stderr
    assert "run cellkin embed" in bare.stderr

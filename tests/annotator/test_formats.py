"""Every format of the exchange: out, read by the library that knows it, and in again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from annotator.exchange import taking
from annotator.exchange.formats import FORMATS
from annotator.exchange.running import export, packed, read_labels, recognise
from annotator.problems import BadTableError, ExportError, MissingPackageError
from index import Atlas, CellRecord, NewLabel
from index.errors import UnknownDatasetError
from retrieval.reading.decode import pixel_hash, read_cell

TELLING = ("csv", "coco", "yolo", "folders", "parquet", "fiftyone", "labelstudio", "huggingface")


@pytest.fixture
def read_twice(opened: Atlas) -> Atlas:
    """The drawn cells; of the data set new some read by two people, who differ on one cell."""
    say = [(25, "monocyte", "ann"), (25, "monocyte", "ben"), (26, "neutrophil", "ann"),
           (26, "band_neutrophil", "ben"), (27, "platelet", "ann"), (28, "monocyte", "ann"),
           (28, "lymphocyte", "ben")]  # fmt: skip
    opened.add_labels(
        [NewLabel(cell, code, who, "single", "monocyte", 0.75, "m", True)
         for cell, code, who in say]
    )  # fmt: skip
    return opened


@pytest.fixture
def unlabelled(drawn: Path, tmp_path: Path) -> Iterator[Atlas]:
    """Another atlas with the same pictures and no label."""
    with Atlas.open(drawn) as atlas, Atlas.open(tmp_path / "other", create=True) as other:
        for name in ("new", "lab"):
            other.add_dataset(name, str(drawn.parent / name))
            cells = [cell for cell in atlas.cells() if cell.dataset == name]
            other.add_cells(
                name, [CellRecord(c.file, c.sha256, c.width, c.height) for c in reversed(cells)]
            )
        yield other


def present(atlas: Atlas) -> dict[str, tuple[str, str]]:
    """Class and author by the hash of the pixels."""
    hashes = {cell.id: cell.sha256 for cell in atlas.cells()}
    return {hashes[cell]: said for cell, said in atlas.present_votes(hashes).items()}


@pytest.mark.parametrize("form", FORMATS)
def test_what_goes_out_comes_in_elsewhere(
    form: str, read_twice: Atlas, unlabelled: Atlas, tmp_path: Path
) -> None:
    done = export(read_twice, form, tmp_path / "out")
    assert (done.count, done.passed_over) == (27, ())
    assert recognise(tmp_path / "out").name == form
    report = read_labels(unlabelled, tmp_path / "out", author="cay")
    assert (report.rows, len(report.labels), report.passed_over) == (27, 27, [])
    unlabelled.add_labels(report.labels)
    assert present(unlabelled) == present(read_twice)


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"csv", "parquet"}))
def test_pictures_alone_name_their_cells(
    form: str, read_twice: Atlas, unlabelled: Atlas, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A set made by another program has no hashes of ours: the pixels say which cell it is."""
    export(read_twice, form, tmp_path / "out")
    (tmp_path / "out" / "provenance.csv").unlink(missing_ok=True)
    rows = [(n, {**row, "sha256": None, "author": None}) for n, row in FORMATS[form].read(
        tmp_path / "out")]  # fmt: skip
    report = taking.take_rows(unlabelled, rows, source="theirs", author="cay")
    assert (len(report.labels), report.passed_over) == (27, [])
    assert {label.author for label in report.labels} == {"cay"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_zip_of_an_export_is_read_too(form: str, read_twice: Atlas, tmp_path: Path) -> None:
    done = export(read_twice, form, tmp_path / "out", datasets=["new"])
    with packed(done.folder) as archive:
        report = read_labels(read_twice, archive, author="cay")
    assert (report.rows, report.passed) == (3, 0)


def test_a_consensus_is_what_two_say_and_nobody_denies(read_twice: Atlas, tmp_path: Path) -> None:
    read_twice.add_labels([NewLabel(29, "monocyte", "cay", "adjudicated")])
    export(read_twice, "csv", tmp_path / "out", consensus=True)
    table = pd.read_csv(tmp_path / "out" / "labels.csv")
    assert dict(zip(table["cell"], table["class"], strict=True)) == {
        25: "monocyte", 26: "band_neutrophil", 29: "monocyte"}  # fmt: skip
    assert table["readers"].tolist() == [2, 2, 1]


def test_provenance_says_who_when_how_and_what_was_seen(read_twice: Atlas, tmp_path: Path) -> None:
    export(read_twice, "csv", tmp_path / "out", datasets=["new"])
    row = pd.read_csv(tmp_path / "out" / "labels.csv").set_index("cell").loc[25]
    assert (row["author"], row["how"], row["model"]) == ("ben", "single", "m")
    assert (row["proposed_class"], row["proposed_probability"]) == ("monocyte", 0.75)
    assert row["proposal_visible"] == 1
    assert row["path"].endswith("/monocyte")
    assert pd.Timestamp(row["time"]).tzinfo is not None
    history = pd.read_csv(tmp_path / "out" / "history.csv")
    assert len(history) == 7


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_coco_is_read_by_its_tools(read_twice: Atlas, tmp_path: Path, capsys) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    export(read_twice, "coco", tmp_path / "out", licence="CC BY 4.0")
    found = coco.COCO(str(tmp_path / "out" / "annotations.json"))
    capsys.readouterr()
    by_id = {cell.id: cell for cell in read_twice.cells()}
    assert len(found.getImgIds()) == len(found.getAnnIds()) == 27
    for annotation in found.loadAnns(found.getAnnIds()):
        cell = by_id[annotation["attributes"]["cell"]]
        [image] = found.loadImgs(annotation["image_id"])
        [category] = found.loadCats(annotation["category_id"])
        assert category["name"] == read_twice.present_of([cell.id])[cell.id]
        rgb = np.asarray(Image.open(tmp_path / "out" / image["file_name"]))
        assert pixel_hash(rgb) == cell.sha256
        assert found.annToMask(annotation).all()
    assert found.dataset["licenses"][0]["name"] == "CC BY 4.0"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_hugging_face_reads_the_imagefolder(
    read_twice: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets")
    export(read_twice, "huggingface", tmp_path / "out", licence="CC BY 4.0")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")
    )
    train = found["train"]
    assert train.num_rows == 27
    by_id = {cell.id: cell for cell in read_twice.cells()}
    for row in train:
        cell = by_id[row["cell"]]
        assert row["label"] == read_twice.present_of([cell.id])[cell.id]
        assert pixel_hash(np.asarray(row["image"].convert("RGB"))) == cell.sha256
    head = (tmp_path / "out" / "README.md").read_text().split("---")[1]
    assert 'license_name: "CC BY 4.0"' in head


def test_torchvision_reads_the_class_folders(read_twice: Atlas, tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    export(read_twice, "folders", tmp_path / "out", licence="CC BY 4.0")
    found = datasets.ImageFolder(str(tmp_path / "out"))
    present = read_twice.present_labels()
    assert len(found) == len(present) == 27
    assert found.classes == sorted(set(present.values()))  # no folder but those of classes
    by_hash = {cell.sha256: cell.id for cell in read_twice.cells()}
    seen = set()
    for image, number in found:
        cell = by_hash[pixel_hash(np.asarray(image))]
        assert found.classes[number] == present[cell]
        seen.add(cell)
    assert seen == set(present)


def test_parquet_keeps_types(read_twice: Atlas, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    export(read_twice, "parquet", tmp_path / "out", pictures=False)
    table = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert len(table) == 27
    assert table["cell"].dtype == "int64"
    assert table["consensus"].dtype == bool
    assert table["proposed_probability"].dtype == "float64"
    assert not (tmp_path / "out" / "images").exists()


def test_parquet_without_its_package_says_what_to_install(
    read_twice: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match="needs the package pyarrow") as error:
        export(read_twice, "parquet", tmp_path / "out")
    assert "pip install pyarrow" in error.value.remedy
    assert not (tmp_path / "out").exists()


def test_yolo_has_a_box_a_picture(read_twice: Atlas, tmp_path: Path) -> None:
    export(read_twice, "yolo", tmp_path / "out")
    out = tmp_path / "out"
    pictures = sorted((out / "images" / "train").iterdir())
    labels = sorted((out / "labels" / "train").iterdir())
    assert [each.stem for each in pictures] == [each.stem for each in labels]
    number, *box = labels[0].read_text().split()
    assert box == ["0.5", "0.5", "1", "1"]
    yaml = (out / "data.yaml").read_text()
    assert f'  {number}: "' in yaml
    assert "train: images/train" in yaml


@pytest.mark.parametrize("names", ["names: [band_neutrophil, 'monocyte']\n",
                                   "names:\n- band_neutrophil\n- monocyte\nnc: 2\n",
                                   "names:\n  0: band_neutrophil\n  1: monocyte\n"])  # fmt: skip
def test_yolo_of_others_is_read(names: str, opened: Atlas, tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    rgb = read_cell(opened, opened.cell(25))
    for name, boxes in (("a", "1 0.5 0.5 1 1\n"), ("b", "0 0.2 0.2 0.1 0.1\n0 0.7 0.7 0.1 0.1\n")):
        Image.fromarray(rgb).save(tmp_path / "set" / "images" / f"{name}.png")
        (tmp_path / "set" / "labels" / f"{name}.txt").write_text(boxes)
    (tmp_path / "set" / "data.yaml").write_text(f"train: images\n{names}")
    report = read_labels(opened, tmp_path / "set", author="ann")
    assert [(label.cell_id, label.class_code) for label in report.labels] == [(25, "monocyte")]
    assert [reason for _, _, reason in report.passed_over] == ["no class given"]


def test_fiftyone_has_the_shape_its_importer_reads(read_twice: Atlas, tmp_path: Path) -> None:
    export(read_twice, "fiftyone", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "labels.json").read_text())
    pictures = {each.stem for each in (tmp_path / "out" / "data").iterdir()}
    assert set(found) == {"classes", "labels"}
    assert set(found["labels"]) == pictures
    for said in found["labels"].values():
        assert said["label"] in found["classes"]
        assert said["attributes"]["author"]


def test_label_studio_has_tasks_and_a_matching_configuration(
    read_twice: Atlas, tmp_path: Path
) -> None:
    export(read_twice, "labelstudio", tmp_path / "out")
    config = ElementTree.fromstring((tmp_path / "out" / "label_config.xml").read_text())
    [choices] = config.iter("Choices")
    [image] = config.iter("Image")
    allowed = {each.get("value") for each in choices.iter("Choice")}
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert len(tasks) == 27
    for task in tasks:
        assert task["data"][image.get("value", "").lstrip("$")].startswith("/data/local-files/?d=")
        [annotation] = task["annotations"]
        [result] = annotation["result"]
        assert (result["from_name"], result["to_name"]) == (choices.get("name"), image.get("name"))
        assert set(result["value"]["choices"]) <= allowed
    assert any("predictions" in task for task in tasks)


def test_label_studio_takes_what_was_said_there(opened: Atlas, tmp_path: Path) -> None:
    choice = {"type": "choices", "value": {"choices": ["Monocyte"]}}
    sha256 = opened.cell(25).sha256
    tasks = [
        {"data": {"sha256": sha256}, "annotations": [
            {"result": [choice], "completed_by": {"email": "dee@lab.example"}},
            {"result": [], "was_cancelled": True}]},
        {"data": {"sha256": sha256}, "annotations": []},
        "nothing like a task",
    ]  # fmt: skip
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    report = read_labels(opened, tmp_path / "tasks.json", author="ann")
    assert [(label.class_code, label.author) for label in report.labels] == [
        ("monocyte", "dee@lab.example")]  # fmt: skip
    assert report.passed == 2


def test_the_card_counts_and_says_how_far_readers_agree(read_twice: Atlas, tmp_path: Path) -> None:
    read_twice.add_dataset("lab", read_twice.cell(1).root, licence="CC0", citation="A *study*")
    export(read_twice, "csv", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "27 cells" in text
    assert "| Monocyte | `monocyte` | 1 |" in text
    assert "lab" in text
    assert "CC0" in text
    assert "Krippendorff's alpha" in text
    assert "2 cells were read by two people or more" in text
    assert "| with a proposal in sight | 3 |" in text


def test_names_in_the_card_do_nothing(opened: Atlas, tmp_path: Path) -> None:
    opened.add_labels([NewLabel(25, "monocyte", "<script>alert(1)</script>", "single")])
    export(opened, "csv", tmp_path / "out", licence="x")
    assert "<script>" not in (tmp_path / "out" / "README.md").read_text()


def test_a_cell_without_its_picture_stays_behind(read_twice: Atlas, tmp_path: Path) -> None:
    cell = read_twice.cell(25)
    Path(cell.root, cell.file).unlink()
    done = export(read_twice, "folders", tmp_path / "out")
    assert done.count == 26
    assert [file for file, _ in done.passed_over] == [cell.file]
    assert "picture is gone" in (tmp_path / "out" / "README.md").read_text()


def test_an_export_replaces_nothing(opened: Atlas, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="written to a new or empty folder"):
        export(opened, "csv", tmp_path / "out")
    with pytest.raises(ExportError, match="allowed is one of csv, coco"):
        export(opened, "odd", tmp_path / "new")
    with pytest.raises(UnknownDatasetError):
        export(opened, "csv", tmp_path / "new", datasets=["none"])
    assert [each.name for each in tmp_path.iterdir() if "part" in each.name] == []


def test_a_picture_elsewhere_is_not_looked_at(opened: Atlas, tmp_path: Path) -> None:
    """A table of another may name any file of this machine."""
    (tmp_path / "set").mkdir()
    rgb = read_cell(opened, opened.cell(25))
    Image.fromarray(rgb).save(tmp_path / "outside.png")
    line = {"file_name": "../outside.png", "label": "monocyte"}
    (tmp_path / "set" / "metadata.jsonl").write_text(json.dumps(line))
    report = read_labels(opened, tmp_path / "set", author="ann")
    assert report.labels == []
    assert report.passed == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("annotations.json", b"{", "no JSON"),
        ("annotations.json", b"[]", "expected is a dict"),
        ("tasks.json", b"{}", "expected is a list"),
        ("metadata.jsonl", b"{]", "no JSON"),
        ("labels.parquet", b"PAR0", "no Parquet"),
        ("odd.bin", b"", "no format that is known"),
        ("some.zip", b"PK no zip", "cannot be unpacked"),
    ],
)
def test_what_cannot_be_read_is_refused(
    name: str, content: bytes, says: str, opened: Atlas, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadTableError, match=says):
        read_labels(opened, tmp_path / name, author="ann")


def test_a_zip_that_reaches_out_is_refused(opened: Atlas, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../labels.csv", "cell,class\n1,monocyte\n")
    with pytest.raises(BadTableError):
        read_labels(opened, tmp_path / "bad.zip", author="ann")
    assert not (tmp_path.parent / "labels.csv").exists()


def test_the_docs_have_a_row_for_every_format() -> None:
    docs = Path(__file__).parents[2] / "docs" / "exchange.md"
    text = docs.read_text(encoding="utf-8")
    assert [name for name in FORMATS if f"| `{name}` |" not in text] == []

"""Labels out to CSV and back, and a reason for every row that is not taken."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest

from annotator.exchange import LOG, PRESENT, csv_rows, log_csv, present_csv, take_rows
from annotator.problems import BadTableError
from index import Atlas, NewLabel
from retrieval.reading.decode import cell_path


def rows(lines) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(lines), newline="")))


def take(atlas: Atlas, text: str, source: str = "labels.csv"):
    return take_rows(atlas, csv_rows(text.encode()), source=source, author="ann")


def test_present_labels_go_out_one_row_a_cell(opened: Atlas) -> None:
    opened.add_labels([NewLabel(25, "band_neutrophil", "ann", "single")])
    found = rows(present_csv(opened))
    assert tuple(found[0]) == PRESENT
    assert len(found) == 25
    last = found[-1]
    assert (last["cell"], last["class"], last["author"]) == ("25", "band_neutrophil", "ann")
    assert (last["how"], last["dataset"]) == ("single", "new")
    assert last["time"]
    assert [row["cell"] for row in rows(present_csv(opened, ["new"]))] == ["25"]


def test_the_whole_log_goes_out_undos_included(opened: Atlas) -> None:
    (label,) = opened.add_labels(
        [NewLabel(25, "monocyte", "ann", "single", "neutrophil", 0.5, "m", True, note='a "b", c')]
    )
    opened.undo(label, "ann")
    found = rows(log_csv(opened, ["new"]))
    assert tuple(found[0]) == LOG
    assert [row["how"] for row in found] == ["single", "undo"]
    assert found[0]["note"] == 'a "b", c'
    assert (found[0]["proposed_class"], found[0]["proposal_visible"]) == ("neutrophil", "1")
    assert found[1]["retracts"] == str(label)


def test_a_label_that_was_brought_back_is_said_already(opened: Atlas) -> None:
    (label,) = opened.add_labels([NewLabel(25, "monocyte", "ann", "single")])
    row = "cell,class,author\n25,monocyte,ann\n"
    undone = opened.undo(label, "ann")
    assert len(take(opened, row).labels) == 1
    opened.undo(undone, "ann")
    report = take(opened, row)
    assert (report.same, report.labels) == (1, [])


def test_what_went_out_comes_in_elsewhere(opened: Atlas, drawn: Path, tmp_path: Path) -> None:
    text = "".join(present_csv(opened))
    with Atlas.open(tmp_path / "other", create=True) as other:
        other.add_dataset("lab", str(drawn.parent / "lab"))
        from index import CellRecord

        other.add_cells(
            "lab",
            [
                CellRecord(cell.file, cell.sha256, cell.width, cell.height)
                for cell in reversed(list(opened.cells()))
                if cell.dataset == "lab"
            ],
        )
        report = take(other, text)
        assert (report.rows, len(report.labels), report.passed) == (24, 24, 0)
        other.add_labels(report.labels)
        by_hash = {cell.sha256: cell.id for cell in other.cells()}
        for cell in opened.cells():
            if cell.dataset == "lab":
                there = other.present_of([by_hash[cell.sha256]])
                assert list(there.values()) == list(opened.present_of([cell.id]).values())
        again = take(other, text)
        assert (again.same, len(again.labels)) == (24, 0)


@pytest.mark.parametrize(
    "text",
    [
        "cell,class\n25,monocyte\n",
        "file,dataset,class\ncell_00.png,new,monocyte\n",
        "﻿cell;class\n25;MO\n",
        "cell\tClass\r\n25\tmonocytes\r\n",
        "cell,class,subclass\n25,,monocyte\n",
        "cell,class,extra\n25,monocyte,1,2,3\n",
    ],
)
def test_ways_to_name_a_cell_and_a_class(opened: Atlas, text: str) -> None:
    (label,) = take(opened, text).labels
    assert (label.cell_id, label.class_code) == (25, "monocyte")
    assert (label.author, label.how, label.source) == ("ann", "imported", "labels.csv")


def test_author_and_note_come_from_the_table(opened: Atlas) -> None:
    (label,) = take(opened, "cell,class,author,note\n25,monocyte,bob,blurred\n").labels
    assert (label.author, label.note) == ("bob", "blurred")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("999,,,monocyte", "no cell of this number"),
        ("x,,,monocyte", "allowed is the number of a cell"),
        ("²,,,monocyte", "allowed is the number of a cell"),
        (",,,monocyte", "allowed is the number of a cell"),
        ("25,,,", "no class given"),
        ("25,,,unicorn", "'unicorn' is not in the taxonomy"),
        (",cell_00.png,,monocyte", "2 cells have this file (lab, new)"),
        (",cell_00.png,odd,monocyte", "data set odd has no cell of this file"),
        (",nothing.png,,monocyte", "the atlas has no cell of this file"),
    ],
)
def test_a_row_that_is_not_taken_has_a_reason_and_a_line(
    opened: Atlas, row: str, reason: str
) -> None:
    report = take(opened, f"cell,file,dataset,class\n{row}\n26,,,monocyte\n")
    assert len(report.labels) == 1
    ((line, _, why),) = report.passed_over
    assert line == 2
    assert reason in why


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "columns none"),
        (b"cell,label\n1,x\n", "needed are class"),
        (b"class\nmonocyte\n", "one of sha256, file, cell"),
        (b"cell,class\n1,\xff\n", "not UTF-8"),
        (b"PK\0\0cell,class\n", "zero bytes"),
        (b"cell,class,class\n1,a,b\n", "more than one column class"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_whole(
    opened: Atlas, data: bytes, words: str
) -> None:
    with pytest.raises(BadTableError, match=words):
        take_rows(opened, csv_rows(data), source="x.csv", author="ann")


def send(browser, text: str | bytes, preview: str = "no", name: str = "labels.csv"):
    data = text.encode() if isinstance(text, str) else text
    return browser.client.post(
        "/api/v1/import/labels",
        data={"file": (io.BytesIO(data), name), "preview": preview},
        headers={"X-CSRF-Token": browser.token},
    )


def test_a_preview_writes_nothing_and_the_import_what_it_showed(browser, app) -> None:
    text = "cell,class\n25,monocyte\n26,unicorn\n"
    seen = send(browser, text, "yes")
    assert seen.status_code == 200
    assert not seen.json["written"]
    assert (seen.json["labels"], seen.json["passed_over"]) == (1, 1)
    assert seen.json["reasons"][0]["line"] == 3
    atlas = app.extensions["desk"].atlas
    assert atlas.present_of([25]) == {}
    done = send(browser, text)
    assert done.status_code == 201
    assert done.json["written"]
    assert atlas.present_of([25]) == {25: "monocyte"}
    assert send(browser, text).json["same"] == 1


def test_an_upload_looks_at_no_picture_but_those_that_came_with_it(browser, opened: Atlas) -> None:
    cell = opened.cell(25)
    picture = cell_path(opened, cell)
    assert (
        len(take(opened, f"file,picture,class\nx,{picture},monocyte\n").labels) == 1
    )  # a command may
    found = send(browser, f"file,picture,class\nx,{picture},monocyte\n", "yes").json
    assert found["labels"] == 0
    assert found["reasons"][0]["reason"] == "its picture cannot be read"
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.write(picture, f"labels/monocyte/{picture.name}")
    found = send(browser, held.getvalue(), "yes", "labels.zip").json
    assert [each["cell"] for each in found["sample"]] == [cell.id]


def test_an_unchanged_export_adds_nothing_to_its_own_atlas(browser) -> None:
    cell = browser.next()["id"]
    browser.label(cell, "monocyte")
    text = browser.get("/api/v1/export/labels.csv").text
    found = send(browser, text, "yes").json
    assert (found["labels"], found["same"], found["contradicting"]) == (0, found["rows"], 0)
    assert found["same"] > 1


def test_a_preview_tells_new_same_and_contradicting_labels_apart(browser) -> None:
    text = "cell,class,author\n1,neutrophil,bob\n2,platelet,bob\n25,monocyte,bob\n"
    found = send(browser, text, "yes").json
    assert (found["labels"], found["same"], found["contradicting"]) == (3, 0, 1)
    first = found["sample"][0]
    assert (first["cell"], first["contradicts"], first["present"]["code"]) == (
        2,
        True,
        "lymphocyte",
    )
    assert [each["contradicts"] for each in found["sample"][1:]] == [False, False]
    assert send(browser, text).json["contradicting"] == 1
    again = send(browser, text + "1,band_neutrophil,bob\n", "yes", "other.csv").json
    assert (again["labels"], again["same"], again["contradicting"]) == (1, 3, 0)


def test_an_imported_label_takes_its_cell_out_of_the_queue(browser) -> None:
    first = browser.next()["id"]
    send(browser, f"cell,class\n{first},monocyte\n")
    assert browser.next()["id"] != first


def test_a_bad_upload_keeps_the_error_shape(browser) -> None:
    answer = send(browser, b"\xff\xfe")
    assert answer.status_code == 422
    assert answer.json["error"]["type"] == "bad_table"


def test_downloads_are_csv_files_with_a_name(browser) -> None:
    for what in ("labels", "history"):
        answer = browser.get(f"/api/v1/export/{what}.csv?dataset=lab")
        assert answer.mimetype == "text/csv"
        assert f'filename="atlas-{what}.csv"' in answer.headers["Content-Disposition"]
        assert len(answer.text.splitlines()) == 25


@pytest.mark.parametrize("form", ["csv", "coco", "huggingface"])
def test_an_export_is_a_zip_with_its_card_that_comes_in_again(browser, form: str) -> None:
    answer = browser.get(f"/api/v1/export/{form}.zip?dataset=lab&licence=CC0")
    assert answer.mimetype == "application/zip"
    assert f'filename="atlas-{form}.zip"' in answer.headers["Content-Disposition"]
    data = answer.data
    assert int(answer.headers["Content-Length"]) == len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert "CC0" in archive.read(f"{form}/README.md").decode()
    seen = send(browser, data, "yes", f"{form}.zip")
    assert (seen.json["same"], seen.json["passed_over"]) == (24, 0)


def test_an_export_without_pictures_and_of_a_consensus(browser) -> None:
    answer = browser.get("/api/v1/export/folders.zip?pictures=no&consensus=yes")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == ["folders/README.md"]


def test_formats_are_listed_and_others_refused(browser) -> None:
    names = [each["name"] for each in browser.get("/api/v1/formats").json["formats"]]
    assert names[:2] == ["csv", "coco"]
    assert browser.get("/api/v1/export/odd.zip", 400).json["error"]["type"] == "export"
    assert browser.get("/api/v1/export/csv.zip?consensus=maybe", 400).json["error"]


@pytest.mark.parametrize("name", ["../../labels.csv", "a\\b\\labels.csv", "..", "ä\0.csv"])
def test_an_upload_lies_under_no_name_of_the_senders(browser, name: str) -> None:
    answer = send(browser, "cell,class\n25,monocyte\n", "yes", name)
    assert answer.status_code in (200, 400, 422)
    assert answer.status_code == 200 or "error" in answer.json

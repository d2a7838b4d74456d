"""CSV as it comes, and errors that say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.reading.errors import TableError
from retrieval.reading.found import PassedOver, split_of
from retrieval.reading.table import Row, read_table


def rows(path: Path) -> list[Row | PassedOver]:
    return list(read_table(path).rows())


def write(path: Path, content: str | bytes) -> Path:
    file = path / "labels.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_same_rows_however_written(
    tmp_path: Path, delimiter: str, ending: str, mark: str
) -> None:
    lines = [["Path", "Class", "Patient ID", "more"], ["ü/a.png", "SNE", "p1", "x"]]
    text = mark + ending.join(delimiter.join(line) for line in lines) + ending
    (row,) = rows(write(tmp_path, text))
    assert isinstance(row, Row)
    assert (row.file, row.class_text, row.patient) == ("ü/a.png", "SNE", "p1")
    assert (row.line, row.subclass_text, row.split, row.frame) == (2, None, None, 0)


def test_a_line_for_excel_stands_above_the_heading(tmp_path: Path) -> None:
    good, short = rows(write(tmp_path, "sep=;\r\nfile;class\r\na, b.png;SNE\r\nb.png\r\n"))
    assert isinstance(good, Row)
    assert (good.line, good.file, good.class_text) == (3, "a, b.png", "SNE")
    assert short.file == "labels.csv line 4"


@pytest.mark.parametrize("more", [3, 20_000])
def test_a_quotation_mark_left_open_does_not_swallow_the_rows(tmp_path: Path, more: int) -> None:
    text = 'file,class\na.png,SNE\n"b.png,SNE\n' + "c.png,SNE\n" * more
    with pytest.raises(TableError, match=r"line 3 opens a quotation mark that no later line"):
        rows(write(tmp_path, text))


def test_a_quoted_field_may_have_several_lines(tmp_path: Path) -> None:
    text = 'file,class,note\na.png,SNE,"one\ntwo"\nb.png,SNE,"three\n""four"""\n'
    found = rows(write(tmp_path, text))
    assert [each.file for each in found] == ["a.png", "b.png"]


def test_quoted_fields_and_all_columns(tmp_path: Path) -> None:
    (row,) = rows(
        write(
            tmp_path,
            "file,class,subclass,patient,slide,stain,scanner,field,split,frame,box\n"
            '"a, b.png",neutrophil,band,p,s,MGG,DM96,f,Validation,3,"1,2,3.0,4"\n',
        )
    )
    assert row == Row(
        2, "a, b.png", "neutrophil", "band", "p", "s", "MGG", "DM96", "f", "val", 3, (1, 2, 3, 4)
    )


@pytest.mark.parametrize("nothing", ["", "NaN", "none", "N/A", "?", "unlabelled"])
def test_no_class(tmp_path: Path, nothing: str) -> None:
    (row,) = rows(write(tmp_path, f"file,class,split\na.png,{nothing},x\n"))
    assert isinstance(row, Row)
    assert row.class_text is None


def test_rows_that_make_no_sense_are_named(tmp_path: Path) -> None:
    file = write(
        tmp_path, "file,class,frame\na.png,x\n,x,1\nb.png,x,1,2\nc.png,x,one\n\nd.png,x,2\n"
    )
    found = rows(file)
    assert [each.reason for each in found if isinstance(each, PassedOver)] == [
        "a row with 2 fields where the heading has 3",
        "a row that names no file",
        "a row with 4 fields where the heading has 3",
        "a row whose frame or box is no number",
    ]
    assert found[0].file == "labels.csv line 2"
    assert found[-1].file == "d.png"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("class,split\na,b\n", "no column 'file'; its columns are class, split"),
        ("file,file,class\na,b,c\n", "the column 'file' 2 times"),
        ("file,class,Class \na,b,c\n", "the column 'class' 2 times"),
        ("file,class\nzelle-ü.png,a\n".encode("latin-1"), "not UTF-8: byte 0xfc at 17, line 2"),
        ("file,class\na,b\n".encode("utf-16"), "not UTF-8: byte 0xff at 0, line 1"),
        (b"file,class\na\0,b\n", "a zero byte in line 2"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(TableError, match=says):
        rows(write(tmp_path, content))


def test_an_unused_column_may_be_there_twice(tmp_path: Path) -> None:
    assert len(rows(write(tmp_path, "file,class,x,x,,\na.png,b,1,2,3,4\n"))) == 1


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no table"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(TableError, match="cannot be read"):
        read_table(tmp_path)


def test_needed_columns(tmp_path: Path) -> None:
    file = write(tmp_path, "file,x\na,b\n")
    assert read_table(file).width == 2
    with pytest.raises(TableError, match=r"no column 'class'.*name a column one of class, label"):
        read_table(file, needs=("file", "class"))


@pytest.mark.parametrize(
    ("text", "split"),
    [("Train", "train"), ("TestA", "test"), ("valid", "val"), ("", None), ("fold1", "fold1")],
)
def test_splits(text: str, split: str | None) -> None:
    assert split_of(text) == split

"""Bad input of export and take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def test_export_in_an_unknown_format(
    refused: Callable, painted_atlas: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refused("export-format-unknown", "export", painted_atlas, "--format", "xml", "--out", out)


def test_export_onto_something(refused: Callable, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "mine.txt").write_text("mine")
    refused("export-target-exists", "export", painted_atlas, "--format", "csv", "--out",
            tmp_path / "thesis")  # fmt: skip


def test_export_of_an_unknown_data_set(
    refused: Callable, painted_atlas: Path, tmp_path: Path
) -> None:
    refused("export-dataset-unknown", "export", painted_atlas, "--format", "csv", "--out",
            tmp_path / "out", "--dataset", "moon")  # fmt: skip


@pytest.mark.parametrize(
    ("row", "name", "content"),
    [
        ("take-source-missing", "gone.csv", None),
        ("take-form-unknown", "notes.bin", b"mine"),
        ("take-no-json", "annotations.json", b'{"images": ['),
        ("take-table-columns", "labels.csv", b"cell,name\n1,monocyte\n"),
        ("take-bad-zip", "labels.zip", b"PK"),
    ],
)
def test_take_from_what_cannot_be_read(
    refused: Callable, painted_atlas: Path, tmp_path: Path, row: str, name: str,
    content: bytes | None,
) -> None:  # fmt: skip
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refused(row, "take", painted_atlas, tmp_path / name)

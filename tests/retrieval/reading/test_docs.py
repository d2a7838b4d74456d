"""The pages on reading name every reader, column and public set."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.reading.public import public_sets
from retrieval.reading.readers import READERS
from retrieval.reading.table import COLUMNS

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_a_row_for_each_reader_in_the_order_they_are_tried() -> None:
    rows = [line.split("`")[1] for line in text("reading.md").splitlines() if line[:3] == "| `"]
    assert rows == list(READERS)


@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_is_explained(column: str) -> None:
    assert any(column in line.split("|")[1] for line in text("reading.md").splitlines()
               if line.startswith("| "))  # fmt: skip


@pytest.mark.parametrize("name", public_sets())
def test_address_licence_citation_and_checksum_of_each_set(name: str) -> None:
    page, chosen = text("datasets.md"), public_sets()[name]
    wanted = [f"| `{name}` |", chosen.page, chosen.licence, chosen.citation]
    wanted += [chosen.listing.url] if chosen.listing else []
    for file in chosen.files:
        wanted += [file.url, *(file.checksum or ())]
    assert [each for each in wanted if each not in page] == []


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")

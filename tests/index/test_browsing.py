"""Pages and counts that do not read the whole atlas say what reading all of it would say."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from index import Atlas, CellFilter, CellRecord, NewLabel
from index import browsing as browsing_module
from index.browsing import Wanted, cells_by_dataset, flagged, how_many, page_of, tallies
from index.errors import UnknownClassError, UnknownDatasetError
from index.searching import _State

CLASSES = ("neutrophil", "band_neutrophil", "lymphocyte", "monocyte")


def filled(folder: Path) -> Atlas:
    """Two data sets of 40 cells with a random history of labels, undos and flags, and an empty."""
    chance = random.Random(5)
    atlas = Atlas.open(folder / "atlas", create=True)
    for name in ("first", "second", "empty"):
        atlas.add_dataset(name, str(folder))
    for name in ("first", "second"):
        hashes = [f"{i:02x}{len(name):02x}" * 16 for i in range(40)]
        atlas.add_cells(
            name,
            [
                CellRecord(f"{name}/{i:02}.png", hashes[i], 9, 9, slide=f"slide {i % 3}")
                for i in range(40)
            ],
        )
    for author in ("ann", "ben", "ann"):
        labels = [
            NewLabel(cell, chance.choice(CLASSES), author, "single")
            for cell in chance.sample(range(1, 81), 30)
        ]
        given = atlas.add_labels(labels)
        for label in chance.sample(given, 3):
            atlas.undo(label, "ann")
    for cell in (3, 50):
        atlas.set_flag(cell, True, "ann")
    return atlas


@pytest.fixture(scope="module")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    """The atlas of ``filled``, to be read only."""
    with filled(tmp_path_factory.mktemp("browsed")) as atlas:
        yield atlas


LIMITS = [
    CellFilter(),
    CellFilter(labelled=True),
    CellFilter(labelled=False),
    CellFilter(datasets=("second",)),
    CellFilter(datasets=("second",), labelled=True),
    CellFilter(datasets=("first",), labelled=False),
    CellFilter(classes=("neutrophil",)),
    CellFilter(authors=("ben",), labelled=True),
    CellFilter(datasets=("first",), classes=("granulocyte",), authors=("ann",)),
    CellFilter(flagged=True),
    CellFilter(slides=("slide 1",), labelled=True),
]


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_pages_follow_one_another_through_all_that_is_wanted(
    browsed: Atlas, limit: CellFilter
) -> None:
    found: list[int] = []
    while page := page_of(browsed, Wanted(limit), 7, found[-1] if found else None):
        assert len(page) <= 7
        found += page
    assert found == browsed.cell_ids(limit).tolist()[::-1]
    assert how_many(browsed, Wanted(limit)) == (len(found), True)


def test_disputed_cells(browsed: Atlas) -> None:
    disputed = browsed.disputed()
    assert disputed
    assert page_of(browsed, Wanted(disputed=True), 100) == disputed[::-1]
    assert how_many(browsed, Wanted(disputed=True)) == (len(disputed), True)


@pytest.mark.parametrize("text", ["second/1", "SLIDE 2", "/3", "7", 'no "such', "100%", "_"])
def test_a_text_is_found_wherever_it_stands(browsed: Atlas, text: str) -> None:
    table = browsed.table()
    said = table["file"] + "\n" + table["slide"]
    has = said.str.lower().str.contains(text.lower(), regex=False)
    wanted = Wanted(text=text)
    assert page_of(browsed, wanted, 100) == table["id"][has].tolist()[::-1]
    assert how_many(browsed, wanted) == (int(has.sum()), True)


def test_a_common_text_is_counted_so_far(browsed: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing_module, "COUNTED", 10)
    assert how_many(browsed, Wanted(text="slide")) == (10, False)


def test_tallies_are_those_of_the_table(tmp_path: Path) -> None:
    with filled(tmp_path) as atlas:
        check_tallies(atlas)
        late = [NewLabel(cell, "platelet", "cay", "adjudicated") for cell in range(1, 30)]
        given = atlas.add_labels(late)
        check_tallies(atlas)
        atlas.undo(given[0], "cay")
        check_tallies(atlas)


def test_flags_are_counted(browsed: Atlas) -> None:
    assert flagged(browsed) == 2


def check_tallies(atlas: Atlas) -> None:
    table = atlas.table()
    table = table[table["class_code"].notna() | table["disputed"]]
    told = table[["dataset", "class_code", "author"]].fillna("")
    expected = Counter(map(tuple, told.itertuples(index=False)))
    assert {(t.dataset, t.class_code, t.author): t.cells for t in tallies(atlas)} == expected


def test_an_empty_data_set_is_counted(browsed: Atlas) -> None:
    assert cells_by_dataset(browsed) == {"first": 40, "second": 40, "empty": 0}


def test_unknown_names_are_refused(browsed: Atlas) -> None:
    with pytest.raises(UnknownDatasetError):
        how_many(browsed, Wanted(CellFilter(datasets=("none",))))
    with pytest.raises(UnknownClassError):
        page_of(browsed, Wanted(CellFilter(classes=("no such class",))), 5)


@pytest.mark.parametrize(
    "limit",
    [
        CellFilter(labelled=True),
        CellFilter(datasets=("second",), labelled=True),
        CellFilter(classes=("neutrophil",), labelled=True),
        CellFilter(authors=("ann",), labelled=True),
        CellFilter(flagged=True, labelled=True),
    ],
    ids=str,
)
def test_ids_put_right_by_label_are_those_read_anew(limit: CellFilter, tmp_path: Path) -> None:
    chance = random.Random(11)
    with filled(tmp_path) as atlas:
        state = _State()
        for _ in range(6):
            assert atlas._within(state, limit).tolist() == atlas.cell_ids(limit).tolist()
            cells = chance.sample(range(1, 81), 3)
            given = atlas.add_labels(
                [NewLabel(cell, chance.choice(CLASSES), "ann", "single") for cell in cells]
            )
            atlas.undo(chance.choice(given), "ann")
        assert atlas._within(state, limit).tolist() == atlas.cell_ids(limit).tolist()

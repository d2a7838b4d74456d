"""An atlas as one reader may see it: compared with a naive reading of the rules."""

from __future__ import annotations

import random

import numpy as np
import pytest

from index import Atlas, CellFilter, CellRecord, NewLabel
from index.checks import set_gold
from index.seeing import seen, sight_of
from index.work import (
    answered_by,
    assign,
    assigned_to,
    end,
    may_label,
    read_count,
    waiting,
    waiting_among,
)

READERS = ("ann", "bob", "cid")
CLASSES = ("platelet", "neutrophil", "basophil")
CELLS = 24


@pytest.fixture
def atlas(tmp_path):
    """Cells labelled at random by import and by three accounts, some assigned to two of them."""
    drawn = random.Random(4)
    with Atlas.open(tmp_path / "a", create=True) as made:
        made.add_dataset("d", "/d")
        made.add_cells("d", [CellRecord(f"{n}.png", f"{n:064}", 9, 9) for n in range(CELLS)])
        (tmp_path / "m").write_bytes(b"")
        made.add_model("m", tmp_path / "m", {})
        vectors = np.random.default_rng(1).normal(size=(CELLS, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        made.add_embeddings("m", made.cell_ids(), vectors)
        for name in READERS:
            made.put_user(name, role="reader")
        for cell in range(1, CELLS + 1):
            for author in ("import", *READERS):
                if drawn.random() < 0.4:
                    how = "imported" if author == "import" else "single"
                    made.add_labels([NewLabel(cell, drawn.choice(CLASSES), author, how)])
        yield made


def hidden(atlas: Atlas, reader: str, *, team: bool, gold: set[int]) -> set[int]:
    """The cells whose labels by others are hidden, told cell by cell."""
    mine = set(assigned_to(atlas, reader).tolist())
    found = set(gold)
    for cell in range(1, CELLS + 1):
        log = atlas.history(cell)
        own = any(label.author == reader for label in log)
        others = any(label.author in READERS and label.author != reader for label in log)
        if not own and (cell in mine or (team and not mine and others)):
            found.add(cell)
    return found


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("golden", [set(), {2, 3, 5}])
@pytest.mark.parametrize("reader", READERS)
def test_every_reading_is_that_of_the_rules(atlas, shared, golden, reader) -> None:
    if shared:
        shares = {"ann": range(1, 13), "bob": range(7, 19)}
        assign(atlas, shares, scope={}, unit="cell", overlap=0.5, seed=0, author="o")
    set_gold(atlas, dict.fromkeys(golden, "platelet"), "o")
    gone = hidden(atlas, reader, team=True, gold=golden)
    view = seen(atlas, sight_of(atlas, reader, team=True))
    for cell in range(1, CELLS + 1):
        log = [e for e in atlas.history(cell) if cell not in gone]
        assert view.history(cell) == log
    present = {c: code for c, code in atlas.present_labels().items() if c not in gone}
    assert view.present_labels() == present
    assert set(view.disputed()) == set(atlas.disputed()) - gone
    assert view.count(CellFilter(labelled=True)) == len(present)
    assert set(view.cell_ids(CellFilter(labelled=False)).tolist()) == set(
        range(1, CELLS + 1)
    ) - set(present)
    assert {label.cell_id for label in view.log()} & gone == set()
    table = view.table().set_index("id")["class_code"].dropna()
    assert table.to_dict() == present
    vectors = atlas.embeddings("m")[1]
    near = view.search(vectors[:4], CELLS)
    assert set(near.ids.ravel().tolist()) - {-1} == set(present)
    if view is not atlas:
        view.close()


def test_a_label_of_ones_own_opens_the_cell_at_once_in_search_too(atlas) -> None:
    assign(atlas, {"ann": [1]}, scope={}, unit="cell", overlap=0, seed=0, author="o")
    atlas.add_labels([NewLabel(1, "basophil", "bob", "adjudicated")])
    cell_one = atlas.embeddings("m")[1][:1]
    if answered_by(atlas, "ann", [1]):
        pytest.skip("drawn otherwise")
    view = seen(atlas, sight_of(atlas, "ann", team=True))
    assert view.search(cell_one, 1).ids[0, 0] != 1
    view.add_labels([NewLabel(1, "basophil", "ann", "single")])
    assert view.search(cell_one, 1).ids[0, 0] == 1
    assert atlas.search(cell_one, 1).ids[0, 0] == 1
    view.close()


def test_a_reader_named_like_sql_is_a_name(atlas) -> None:
    name = "x' OR '1'='1"
    atlas.put_user(name, role="reader")
    view = seen(atlas, sight_of(atlas, name, team=True))
    others = hidden(atlas, name, team=True, gold=set())
    assert set(view.present_labels()) == set(atlas.present_labels()) - others
    view.close()


def test_where_nothing_is_hidden_there_is_one_atlas(atlas) -> None:
    assert seen(atlas, sight_of(atlas, "zoe", team=False)) is atlas


def test_the_mark_tells_cells_exchanged_for_others(atlas) -> None:
    def marked() -> tuple[object, ...]:
        return sight_of(atlas, "ann", team=True).mark

    unread = sorted(set(range(1, CELLS + 1)) - answered_by(atlas, "ann", range(1, CELLS + 1)))
    given = {"scope": {}, "unit": "cell", "overlap": 0, "seed": 0, "author": "o"}
    assign(atlas, {"ann": unread[:2]}, **given)
    last = assign(atlas, {"ann": unread[2:3]}, **given)
    before = marked()
    end(atlas, last, "o")  # one assignment more has ended, one cell fewer is assigned
    assert marked() != before
    set_gold(atlas, {1: "platelet"}, "o")
    before = marked()
    set_gold(atlas, {2: "platelet"}, "o")  # one known answer in the place of another
    assert marked() != before
    before = marked()
    atlas.add_labels([NewLabel(unread[0], "basophil", "ann", "single")])
    assert marked() == before


def test_what_waits_is_what_is_ones_own_and_unread(atlas) -> None:
    assign(
        atlas, {"ann": range(1, 13), "bob": range(7, 19)},
        scope={}, unit="cell", overlap=0.5, seed=0, author="o",
    )  # fmt: skip
    read = answered_by(atlas, "ann", range(1, CELLS + 1))
    assert set(waiting(atlas, "ann").tolist()) == set(range(1, 13)) - read
    assert may_label(atlas, "ann", [1, 15, 20]) == {1}
    assert may_label(atlas, "cid", [1, 15, 20]) == {20}
    unlabelled = set(atlas.cell_ids(CellFilter(labelled=False)).tolist())
    assert set(waiting(atlas, "cid").tolist()) == unlabelled & set(range(19, CELLS + 1))
    assert set(waiting(atlas, "zoe", alone=True).tolist()) == unlabelled
    assert waiting_among(atlas, "ann", range(1, 13)) == set(waiting(atlas, "ann").tolist())
    done = min(read & set(range(1, 13)))
    for label in atlas.history(done):
        if label.author == "ann":
            undone = atlas.undo(label.id, "ann")
            assert done in waiting(atlas, "ann")
            again = atlas.undo(undone, "ann")
            assert done not in waiting(atlas, "ann")
            atlas.undo(again, "ann")
            assert done in waiting(atlas, "ann")
    end(atlas, 1, "o")
    assert set(assigned_to(atlas, "ann").tolist()) == read & set(range(1, 13))


def test_a_label_brought_back_counts_as_read(atlas) -> None:
    before = read_count(atlas, "zoe")
    (label,) = atlas.add_labels([NewLabel(1, "platelet", "zoe", "single")])
    atlas.add_labels([NewLabel(2, "platelet", "zoe", "imported", source="list")])
    assert read_count(atlas, "zoe") == before + 1
    undone = atlas.undo(label, "zoe")
    assert read_count(atlas, "zoe") == before
    atlas.undo(undone, "zoe")
    assert read_count(atlas, "zoe") == before + 1

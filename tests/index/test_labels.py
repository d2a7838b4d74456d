"""Labels are append-only, and the present label is what a plain reading of them gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import Atlas, Label, NewLabel
from index.errors import LabelError, UnknownCellError, UnknownClassError
from index.taxonomy import Taxonomy


@pytest.fixture
def atlas(new_atlas: Callable[..., Atlas], make: SimpleNamespace) -> Atlas:
    found = new_atlas()
    found.add_dataset("d", "/data/d")
    found.add_cells("d", [make.record(number) for number in range(3)])
    return found


def single(cell_id: int, code: str, author: str = "ana", **more: Any) -> NewLabel:
    return NewLabel(cell_id, code, author, more.pop("how", "single"), **more)


def test_a_label_keeps_what_was_proposed(atlas: Atlas) -> None:
    before = datetime.now(UTC)
    new = single(
        1, "basophil", proposed_class="monocyte", proposed_probability=0.75, model_id="m",
        proposal_visible=True, note="granules",
    )  # fmt: skip
    (label_id,) = atlas.add_labels([new])
    (label,) = atlas.history(1)
    assert label == Label(**vars(new), id=label_id, time=label.time)
    assert before <= datetime.fromisoformat(label.time) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE labels SET class_code = 'monocyte'",
        "DELETE FROM labels",
        "INSERT OR REPLACE INTO labels (id, cell_id, class_code, author, how, time)"
        " VALUES (1, 1, 'monocyte', 'eve', 'single', '2024')",
    ],
)
def test_the_database_itself_refuses_to_change_a_label(atlas: Atlas, statement: str) -> None:
    atlas.add_labels([single(1, "basophil")])
    connection = sqlite3.connect(atlas.path / "atlas.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="labels are append-only"):
        connection.execute(statement)
    connection.close()
    assert [label.class_code for label in atlas.history(1)] == ["basophil"]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (single(1, "cat"), UnknownClassError, "'cat'"),
        (single(99, "basophil"), UnknownCellError, "cell 99"),
        (single(1, "basophil", how="guessed"), LabelError, "given by 'guessed', allowed is one of"),
        (single(1, "basophil", " "), LabelError, "no author"),
        (single(1, "basophil", how="undo"), LabelError, "takes back None"),
        (single(1, "basophil", retracts=1), LabelError, "takes back 1"),
        (single(1, "basophil", proposed_probability=1.5), LabelError, "1.5, allowed is 0 to 1"),
        (single(1, "basophil", proposed_class="cat"), UnknownClassError, "'cat'"),
    ],
)
def test_one_wrong_label_adds_none(
    atlas: Atlas, wrong: NewLabel, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        atlas.add_labels([single(1, "basophil"), wrong])
    assert atlas.history(1) == []
    assert atlas.present_labels() == {}


def test_no_labels_are_no_labels(atlas: Atlas) -> None:
    assert atlas.add_labels([]) == []


def test_disagreement_waits_for_an_adjudication(atlas: Atlas) -> None:
    atlas.add_labels([single(1, "neutrophil"), single(1, "band_neutrophil", "bo")])
    assert atlas.present_labels() == {1: "band_neutrophil"}  # the deeper of one line
    atlas.add_labels([single(1, "monocyte", "cy")])
    assert atlas.present_labels() == {}
    assert atlas.disputed() == [1]
    (verdict,) = atlas.add_labels([single(1, "neutrophil", "judge", how="adjudicated")])
    assert atlas.present_labels() == {1: "neutrophil"}
    atlas.add_labels([single(1, "basophil", "dan")])
    assert atlas.present_labels() == {1: "neutrophil"}
    atlas.undo(verdict, "judge")
    assert atlas.disputed() == [1]


def test_undo_without_limit(atlas: Atlas) -> None:
    last = atlas.add_labels([single(1, "basophil"), single(1, "monocyte")])[1]
    first_undo = atlas.undo(last, "ana")
    assert atlas.present_labels() == {1: "basophil"}
    with pytest.raises(LabelError, match=f"label {last} was taken back already"):
        atlas.undo(last, "ana")
    redo = atlas.undo(first_undo, "ana")
    assert atlas.present_labels() == {1: "monocyte"}
    assert atlas.last_label("ana").id == last  # type: ignore[union-attr]
    atlas.undo(redo, "ana")
    assert atlas.present_labels() == {1: "basophil"}
    assert atlas.last_label("ana").class_code == "basophil"  # type: ignore[union-attr]
    atlas.undo(1, "bo")
    assert atlas.present_labels() == {}
    assert atlas.last_label("ana") is None
    with pytest.raises(LabelError, match="label 99 is not in the atlas"):
        atlas.undo(99, "ana")
    assert len(atlas.history(1)) == 6


def plain_present(history: list[Label], tree: Taxonomy) -> str | None:
    """The present label by the rule in words, without looking at how the atlas does it."""
    by_id = {label.id: label for label in history}

    def stands(label: Label) -> bool:
        return not any(other.retracts == label.id and stands(other) for other in by_id.values())

    votes = [label for label in history if label.how != "undo" and stands(label)]
    verdicts = [label for label in votes if label.how == "adjudicated"]
    if verdicts:
        return verdicts[-1].class_code
    voices = {(label.author, label.source) for label in votes}
    latest = {
        [label for label in votes if (label.author, label.source) == voice][-1].class_code
        for voice in voices
    }
    fitting = [code for code in latest if all(tree.is_within(code, other) for other in latest)]
    return fitting[0] if fitting else None


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from(["granulocyte", "neutrophil", "band_neutrophil", "monocyte"]),
            st.sampled_from(["ana", "bo", "import"]),
            st.sampled_from(["single", "bulk", "imported", "adjudicated"]),
            st.sampled_from([None, "a.png", "b.png"]),
        ),
        st.integers(1, 20),  # undo this label
    ),
    max_size=20,
)


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    """One atlas for many examples, each with cells of its own."""
    with Atlas.open(tmp_path_factory.mktemp("labels") / "a", create=True) as atlas:
        atlas.add_dataset("d", "/d")
        yield atlas


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_present_labels_equal_a_plain_recomputation(
    long_lived: Atlas, make: SimpleNamespace, steps: list[Any]
) -> None:
    atlas, first = long_lived, long_lived.count() + 1
    atlas.add_cells("d", [make.record(number) for number in range(first, first + 3)])
    given_here: list[int] = []
    for step in steps:
        if isinstance(step, int):
            if step <= len(given_here):
                with suppress(LabelError):
                    given_here.append(atlas.undo(given_here[step - 1], "ana"))
        else:
            cell, code, author, how, source = step
            new = NewLabel(first - 1 + cell, code, author, how, source=source)
            given_here += atlas.add_labels([new])
    histories = {cell_id: atlas.history(cell_id) for cell_id in range(first, first + 3)}
    expected = {
        cell_id: code
        for cell_id, history in histories.items()
        if (code := plain_present(history, atlas.taxonomy)) is not None
    }
    assert atlas.present_of(histories) == expected
    assert set(atlas.disputed()).isdisjoint(expected)
    assert sorted(each.id for history in histories.values() for each in history) == given_here


def test_many_labels_go_in_one_transaction(filled: Atlas) -> None:
    ids = filled.cell_ids().tolist()
    new = [single(cell_id, "monocyte", "bulk", how="bulk") for cell_id in ids]
    assert len(set(filled.add_labels(new))) == len(ids)
    assert len(filled.present_labels()) + len(filled.disputed()) == len(ids)

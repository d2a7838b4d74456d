"""What readers see, made anew as what is hidden changes."""

from __future__ import annotations

import gc
import weakref

from annotator.adapting import Adapting
from annotator.policy import Policy
from annotator.progress.board import Boards
from annotator.sights import Sights
from annotator.viewer import Person
from index import Atlas
from index.checks import set_gold

ANN = Person("ann", "reader", account=True)


def test_a_view_that_another_took_the_place_of_is_let_go(opened: Atlas) -> None:
    adapting = Adapting(k=5)
    sights = Sights(opened, k=5, adapting=adapting)
    known = opened.present_labels()
    gone = []
    for cell in sorted(known)[:3]:
        set_gold(opened, {cell: known[cell]}, "o")
        view = sights.of(ANN, Policy())
        assert cell not in view.atlas.present_labels()
        adapting.progress(view.atlas, "lab")
        gone.append(weakref.ref(view.atlas))
        del view
    gc.collect()
    assert [each() is None for each in gone] == [True, True, False]
    sights.close()
    adapting.close()


def test_the_figures_of_a_view_are_let_go_with_it(opened: Atlas) -> None:
    sights, boards = Sights(opened, k=5), Boards(k=5, seed=0)
    known = opened.present_labels()
    gone = []
    for cell in sorted(known)[:3]:
        set_gold(opened, {cell: known[cell]}, "o")
        view = sights.of(ANN, Policy())
        board, newest = boards.newest(view.atlas, view.proposals, "lab", patience=60)
        assert newest
        gone.append(weakref.ref(view.atlas))
        del view, board
    gc.collect()
    assert [each() is None for each in gone] == [True, True, False]
    sights.close()


def test_who_reads_from_a_view_that_is_let_go_reads_on(opened: Atlas) -> None:
    sights = Sights(opened, k=5)
    known = opened.present_labels()
    one, other = sorted(known)[:2]
    set_gold(opened, {one: known[one]}, "o")
    old = sights.of(ANN, Policy())
    with old.atlas.database.read() as connection:
        set_gold(opened, {other: known[other]}, "o")
        new = sights.of(ANN, Policy())
        assert new is not old
        assert connection.exec_driver_sql("SELECT count(*) FROM cells").scalar() == opened.count()
    assert other not in old.atlas.present_labels()
    sights.close()


def test_a_known_answer_is_no_neighbour_from_the_moment_it_is_drawn(opened: Atlas) -> None:
    sights = Sights(opened, k=5)
    known = opened.present_labels()
    one, other = sorted(known)[:2]
    vector = opened.embeddings_of(opened.active_model, [other])[1]
    set_gold(opened, {one: known[one]}, "o")
    assert sights.of(ANN, Policy()).atlas.search(vector, 1).ids.tolist() == [[other]]
    set_gold(opened, {other: known[other]}, "o")
    assert sights.of(ANN, Policy()).atlas.search(vector, 1).ids.tolist() != [[other]]
    sights.close()

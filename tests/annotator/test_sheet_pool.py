"""What the labels say of cells is worked out once for each state, whoever asks and how often."""

from __future__ import annotations

from annotator.sheets.pool import HELD, Pool
from annotator.sheets.scores import Scores
from index import CellFilter, NewLabel


class Counting(Pool):
    """Counts how often all is worked out anew."""

    times = 0

    def _score(self, cell_ids, dataset) -> Scores:
        self.times += 1
        return super()._score(cell_ids, dataset)


def test_cells_that_no_longer_wait_are_judged_together_once(opened) -> None:
    pool = Counting(opened)
    labelled = [int(cell) for cell in opened.cell_ids(CellFilter(labelled=True))[:6]]
    waiting = [int(cell) for cell in opened.cell_ids(CellFilter(labelled=False))[:2]]
    pool.judge(waiting, None)
    assert pool.times == 1
    both = pool.judge([*labelled, *waiting], None)
    assert both.ids.tolist() == [*labelled, *waiting]
    assert pool.times == 2
    for part in ([labelled[0]], labelled[2:4], [labelled[5], waiting[1]], [*waiting, 10**6]):
        found = pool.judge(part, None)
        assert found.ids.tolist() == [cell for cell in part if cell != 10**6]
    assert pool.times == 2
    opened.add_labels([NewLabel(waiting[0], "monocyte", "ann", "single")])
    pool.judge(labelled, None)
    assert pool.times == 4  # another state: those that wait, and those asked for


def test_data_sets_do_not_push_each_other_out(opened) -> None:
    pool = Counting(opened)
    names = [None, *opened.datasets()["name"].tolist()][:HELD]
    assert len(names) > 1
    for name in names * 3:
        pool.scores(name)
    assert pool.times == len(names)

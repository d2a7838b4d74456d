"""What the model says before labels, which class comes first, and when cells may be folded away."""

from __future__ import annotations

import numpy as np
import pytest

from annotator.sheets import Aim, Record
from annotator.sheets.forming import ready
from annotator.sheets.plan import UNLIMITED, Tally
from annotator.sheets.scores import Scores, Taught, before_labels, probabilities
from retrieval.described import Described
from retrieval.folder import Folder, Space

CLASSES = ("basophil", "eosinophil", "neutrophil")


def folder_of(n: int, seed: int = 0) -> tuple[Folder, np.ndarray, np.ndarray]:
    """A folder of ``n`` cells of three classes, of which the model knows two; kinds [n], scores."""
    draw = np.random.default_rng(seed)
    kinds = np.arange(n) % 3
    vectors = np.eye(8)[kinds] + draw.normal(scale=0.1, size=(n, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    scores = np.where(kinds[:, None] == [2, 0], 0.9, 0.1).astype(np.float32)
    cells = Described(vectors, vectors.astype(np.float16), scores)
    return Folder(cells, Space((("taught", 8),), ("neutrophil", "basophil"))), kinds, scores


def test_the_word_of_the_model_stands_in_the_order_given() -> None:
    folder, _, scores = folder_of(30)
    found = before_labels(folder, CLASSES)
    assert found is not None
    np.testing.assert_array_equal(found[:, [2, 0]], scores)
    assert not found[:, 1].any()


def test_a_model_without_scores_says_nothing() -> None:
    folder, _, _ = folder_of(30)
    assert before_labels(Folder(Described.plain(folder.cells.vectors), Space()), CLASSES) is None
    assert before_labels(folder, ("platelet",)) is None


def test_a_class_without_labels_is_proposed_by_the_model_but_never_surely() -> None:
    folder, kinds, _ = folder_of(90)
    own = np.flatnonzero(kinds != 0)[:20]
    codes = [CLASSES[kind] for kind in kinds[own]]
    vectors = folder.outside(folder.cells.vectors)
    taught = Taught(vectors[own], codes, own, codes)
    rows = np.arange(90)
    classes, found, _ = probabilities(vectors, rows, folder, taught, before=["basophil"])
    without, *_ = probabilities(vectors, rows, folder, taught)
    assert classes == CLASSES
    assert without == CLASSES[1:]
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert found[kinds == 0, 0].mean() > found[kinds != 0, 0].mean()
    assert found[:, 0].max() < Aim().sure


def test_the_class_that_showed_least_for_what_waits_comes_first() -> None:
    columns = np.repeat([0, 1, 2], [60, 40, 20])
    scores = Scores(np.arange(120), np.zeros((120, 2), np.float32), CLASSES, np.eye(3)[columns])
    assert list(ready(scores, 0.9, Record({}, {}))) == ["basophil", "eosinophil", "neutrophil"]
    record = Record({"basophil": Tally(glanced=58), "eosinophil": Tally(glanced=9)}, {})
    assert list(ready(scores, 0.9, record)) == ["neutrophil", "eosinophil", "basophil"]


@pytest.mark.parametrize(("foreign", "freely"), [(0, True), (6, False)])
def test_cells_fold_where_folded_ones_hold_the_target(foreign: int, freely: bool) -> None:
    """Many foreign cells among the doubtful ones in sight do not forbid what is sure."""
    sure = {"neutrophil": Tally(glanced=900, noticed=foreign, kept=900 - foreign)}
    record = Record(sure, {"neutrophil": Tally(glanced=200, noticed=60, kept=140)})
    assert record.impurity(0.7, 0.95) > Aim().allowed
    assert record.foldable(Aim(), 0.7) == (UNLIMITED if freely else 0)


def test_folding_what_holds_the_target_lowers_the_share_of_all() -> None:
    before = Record(
        {"neutrophil": Tally(glanced=900, kept=900)},
        {"neutrophil": Tally(glanced=200, noticed=60, kept=140)},
    )
    after = Record(
        {"neutrophil": Tally(glanced=900, kept=900, folded=500)}, before.doubtful
    )  # fmt: skip
    assert after.impurity(0.7, 0.95) < before.impurity(0.7, 0.95)

"""``cellkin trial`` and the simulated reader behind it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from annotator.trial import WAYS, Cells, Errors, Reader, Times
from annotator.trial.bench import Result, TrialError, draw_cells, new_bench, result_of
from annotator.trial.run import Plan, document, hold
from index import Atlas, CellRecord, NewLabel
from retrieval.described import Described

CODES = ("eosinophil", "lymphocyte", "neutrophil")
NEVER_WRONG = Errors(0.0, 0.0, 0.0, 0.0)


def some_cells(n: int, spread: float = 0.05, seed: int = 0) -> Cells:
    """``n`` cells of three classes in groups of their own."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n)
    vectors = np.eye(16)[truth] + rng.normal(scale=spread, size=(n, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    described = Described.plain(vectors.astype(np.float32))
    return Cells(described, truth.astype(np.int64), CODES)


def work(way: str, cells: Cells, folder: Path, errors: Errors = NEVER_WRONG) -> Result:
    bench = new_bench(cells, errors, folder, target=0.99, seed=1)
    WAYS[way].work(bench)
    return result_of(way, bench)


# the reader ----------------------------------------------------------------------------------


def test_seconds_are_counted_by_hand() -> None:
    cells = some_cells(100)
    reader = Reader(cells.truth, 3, NEVER_WRONG, seed=0)
    own = int(cells.truth[0])
    page = np.flatnonzero(cells.truth == own)[:10].tolist()
    foreign = int(np.flatnonzero(cells.truth != own)[0])
    assert reader.name(0) == own
    assert reader.name(0, own) == own
    assert reader.glance([*page, foreign], own) == {foreign: cells.truth[foreign]}
    assert reader.done == {"single": 1, "confirm": 1, "glance": 1, "correction": 1, "cell": 11}
    # one alone 1.0, one confirmed 0.7, a page 1.5 + 11 x 0.15, a correction 1.5
    assert Times().seconds(reader.done) == pytest.approx(1.0 + 0.7 + 1.5 + 1.65 + 1.5)
    assert reader.actions == 4


def test_errors_come_as_often_as_stated() -> None:
    truth = np.zeros(20_000, dtype=np.int64)
    reader = Reader(truth, 4, Errors(single=0.1, follow=0.3, miss=0.4, alarm=0.05), seed=0)
    every = range(len(truth))
    wrong = np.mean([reader.name(cell) != 0 for cell in every])
    assert wrong == pytest.approx(0.1, abs=0.01)
    followed = np.mean([reader.name(cell, 2) == 2 for cell in every])
    # those who do not follow are wrong one time in ten, and a third of that falls on class 2
    assert followed == pytest.approx(0.3 + 0.7 * 0.1 / 3, abs=0.01)
    assert len(reader.look(list(every), 1)) / 20_000 == pytest.approx(0.6, abs=0.01)
    assert len(reader.look(list(every), 0)) / 20_000 == pytest.approx(0.05, abs=0.01)


# the ways ------------------------------------------------------------------------------------


def test_one_by_one_is_the_measure_of_speed(tmp_path: Path) -> None:
    found = work("one-by-one", some_cells(60), tmp_path)
    assert found.accuracy == 1.0
    assert found.speed(Times()) == 1.0
    assert found.rate(Times()) == 3600
    assert found.purity is None


@pytest.mark.parametrize("way", [name for name in WAYS if not name.startswith("lasso")])
def test_every_way_labels_every_cell(way: str, tmp_path: Path) -> None:
    cells = some_cells(150)
    bench = new_bench(cells, Errors(), tmp_path, target=0.99, seed=0)
    WAYS[way].work(bench)
    assert not len(bench.open)
    assert bench.curve[-1][0] == len(cells)
    assert result_of(way, bench).accuracy > 0.95


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")
def test_the_map_is_a_way_too(tmp_path: Path) -> None:
    found = work("lasso", some_cells(150), tmp_path)
    assert found.accuracy > 0.95


def test_sheets_are_faster_and_as_right_where_classes_lie_apart(tmp_path: Path) -> None:
    cells = some_cells(1200)
    found = work("sheets", cells, tmp_path, Errors())
    assert found.accuracy >= 0.99
    assert found.purity is not None
    assert found.purity >= 0.99
    assert found.speed(Times()) > 5
    assert found.cells / found.actions > 10
    assert found.notes["folded"] > 0


def test_no_cell_is_folded_away_when_every_one_is_to_be_seen(tmp_path: Path) -> None:
    assert work("sheets-seen", some_cells(400), tmp_path).notes["folded"] == 0


def test_sheets_stay_right_where_classes_mix(tmp_path: Path) -> None:
    """Where the vectors tell little, sheets get few and small, but what they hold stays right."""
    cells = some_cells(200, spread=0.45)
    found = work("sheets", cells, tmp_path, Errors())
    assert found.accuracy >= 0.97


# the trial -----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_figures() -> None:
    plan = Plan(ways=("one-by-one", "sheets"), readers=1, sensitivity=False)
    first, again = (document(hold(some_cells(120), plan)) for _ in range(2))
    assert first == again
    assert first["ways"]["sheets"]["accuracy"]["low"] < first["ways"]["sheets"]["accuracy"]["value"]


def test_other_times_change_the_speed_and_nothing_else() -> None:
    found = document(hold(some_cells(100), Plan(ways=("one-by-one",), readers=1)))
    assert set(found["sensitivity"]["times"]["a cell alone takes 2 s"].values()) == {1.0}


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """An atlas of 120 labelled, embedded cells in data set lab."""
    cells = some_cells(120)
    path = tmp_path / "atlas"
    (tmp_path / "weights").write_bytes(b"none")
    with Atlas.open(path, create=True) as atlas:
        atlas.add_dataset("lab", str(tmp_path))
        atlas.add_cells("lab", (CellRecord(f"{n}.png", f"{n:064x}", 1, 1) for n in range(120)))
        ids = atlas.cell_ids()
        atlas.add_model("m", tmp_path / "weights", {})
        atlas.add_embeddings("m", ids, cells.vectors)
        codes = [CODES[column] for column in cells.truth]
        atlas.add_labels(
            [NewLabel(int(i), code, "x", "imported") for i, code in zip(ids, codes, strict=True)]
        )
    return path


def test_the_verb_prints_a_table_and_leaves_the_atlas_alone(
    labelled: Path, tmp_path: Path, run_cellkin
) -> None:
    before = (labelled / "atlas.sqlite").read_bytes()
    out = tmp_path / "out"
    run = run_cellkin(
        "trial", labelled, "--dataset", "lab", "--way", "one-by-one", "--way", "sheets",
        "--readers", 1, "--no-sensitivity", "--out", out,
    )  # fmt: skip
    assert run.status == 0, run.stderr
    assert "120 cells of 3 classes" in run.stdout
    assert "one by one" in run.stdout
    assert (labelled / "atlas.sqlite").read_bytes() == before
    figures = json.loads((out / "trial.json").read_text())
    assert figures["cells"] == 120
    assert set(figures["ways"]) == {"one-by-one", "sheets"}
    assert (out / "trial.png").read_bytes().startswith(b"\x89PNG")


def test_the_verb_prints_json(labelled: Path, run_cellkin) -> None:
    run = run_cellkin(
        "trial", labelled, "--cells", 60, "--way", "one-by-one", "--readers", 1,
        "--seconds", "single=2", "--json",
    )  # fmt: skip
    figures = json.loads(run.stdout)
    assert figures["cells"] == 60
    assert figures["times"]["single"] == 2
    assert figures["ways"]["one-by-one"]["seconds"]["value"] == 120


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--way", "magic"), "way 'magic' is not one of one-by-one, proposals"),
        (("--seconds", "blink=1"), "NAME one of single, confirm"),
        (("--chance", "miss=2"), "NUMBER 0 to 1"),
    ],
)
def test_a_wrong_option_is_named(
    labelled: Path, run_cellkin, given: tuple[str, str], said: str
) -> None:
    run = run_cellkin("trial", labelled, *given)
    assert run.status == 2
    assert said in run.stderr


def test_too_few_labelled_cells_are_said(tmp_path: Path, atlas: Atlas) -> None:
    with pytest.raises(TrialError, match="0 labelled and embedded cells of 0 classes"):
        draw_cells(atlas, None, None, 0)

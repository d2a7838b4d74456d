"""Search through the atlas: exact under every filter, never stale, whatever befell the cache."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Atlas, CellFilter, NewLabel, searching
from index.errors import UnknownCellError, UnknownModelError, VectorError

Make = SimpleNamespace

FILTERS = st.builds(
    CellFilter,
    datasets=st.lists(st.sampled_from(["set0", "set1"]), max_size=1),
    patients=st.lists(st.sampled_from(["p0", "p1", "set0/p2"]), max_size=2),
    not_patients=st.lists(st.sampled_from(["p0", "p3", "set1/p5"]), max_size=2),
    not_slides=st.lists(st.sampled_from(["s0", "s7"]), max_size=1),
    splits=st.lists(st.sampled_from(["train", "val"]), max_size=2),
    classes=st.lists(st.sampled_from(["granulocyte", "lymphocyte"]), max_size=1),
    not_cells=st.lists(st.integers(1, 120), max_size=3),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    wanted=FILTERS, labelled=st.booleans(), k=st.integers(1, 150), count=st.sampled_from([1, 3, 9])
)
@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_filtered_search_equals_sorting_everything(
    filled: Atlas,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    wanted: CellFilter,
    labelled: bool,
    k: int,
    count: int,
) -> None:
    monkeypatch.setenv("CELLKIN_VECTOR_INDEX", kind)
    queries = make.unit(count, seed=3)
    ids, vectors = filled.embeddings("m", wanted)
    if labelled:
        chosen = np.isin(ids, list(filled.present_labels()))
        ids, vectors = ids[chosen], vectors[chosen]
    expected, similarity = make.naive(queries, vectors, ids, k)
    found = filled.search(queries, k, filter=wanted, labelled=labelled)
    np.testing.assert_array_equal(found.ids, expected)
    np.testing.assert_allclose(found.similarity, similarity, atol=1e-5)


def test_ivfpq_through_the_atlas(
    new_atlas: Callable[..., Atlas], make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CELLKIN_VECTOR_INDEX", "ivfpq")
    atlas = new_atlas()
    atlas.add_dataset("d", "/d")
    atlas.add_cells("d", (make.record(number, patient=f"p{number % 4}") for number in range(1100)))
    (tmp_path / "m").write_bytes(b"m")
    atlas.add_model("m", tmp_path / "m", {})
    ids, vectors = atlas.cell_ids(), make.unit(1100)
    atlas.add_embeddings("m", ids[:1050], vectors[:1050])
    queries = vectors[:40]
    assert (atlas.search(queries, 3, labelled=False).ids[:, 0] == ids[:40]).mean() > 0.9
    atlas.add_embeddings("m", ids[1050:], vectors[1050:])
    assert (atlas.search(vectors[1050:], 1, labelled=False).ids[:, 0] == ids[1050:]).mean() > 0.9
    wanted = CellFilter(not_patients=("p0",))
    found = atlas.search(queries, 5, filter=wanted, labelled=False)
    expected, _ = make.naive(queries, vectors[ids % 4 != 1], ids[ids % 4 != 1], 5)
    np.testing.assert_array_equal(found.ids, expected)


def test_a_label_is_searchable_at_once(filled: Atlas) -> None:
    ids, vectors = filled.embeddings("m")
    unlabelled = sorted(set(ids.tolist()) - set(filled.present_labels()))[0]
    query = vectors[ids == unlabelled]
    assert filled.search(query, 1).ids[0, 0] != unlabelled
    (label_id,) = filled.add_labels([NewLabel(unlabelled, "monocyte", "ana", "single")])
    assert filled.search(query, 1).ids[0, 0] == unlabelled
    filled.add_labels([NewLabel(unlabelled, "basophil", "bo", "single")])  # now disputed
    assert filled.search(query, 1).ids[0, 0] != unlabelled
    assert filled.search(query, 1, labelled=False).ids[0, 0] == unlabelled
    assert label_id


def test_two_handles_never_answer_stale(filled: Atlas, make: Make) -> None:
    new = make.unit(1, seed=11)
    with Atlas.open(filled.path) as other:
        assert filled.search(new, 1).similarity[0, 0] < 0.99
        assert other.search(new, 1).similarity[0, 0] < 0.99
        other.add_cells("set0", [make.record(5000, class_code="blast", patient="px")])
        cell_id = int(other.cell_ids()[-1])
        other.add_embeddings("m", np.array([cell_id]), new)
        for atlas in (filled, other):
            assert atlas.search(new, 1).ids[0, 0] == cell_id
        moved = make.unit(1, seed=12)
        filled.add_embeddings("m", np.array([cell_id]), moved)  # the same cell, embedded anew
        for atlas in (other, filled):
            assert atlas.search(moved, 1).ids[0, 0] == cell_id
            assert atlas.search(new, 1).ids[0, 0] != cell_id
            wanted = CellFilter(patients=("px",))
            assert atlas.search(new, 2, filter=wanted).ids.tolist() == [[cell_id, -1]]


WRITER = """
    import sys
    import numpy as np
    from index import Atlas, CellRecord
    import hashlib
    path, start, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with Atlas.open(path) as atlas:
        for number in range(start, start + count):
            digest = hashlib.sha256(str(number).encode()).hexdigest()
            atlas.add_cells("set0", [CellRecord(f"{number}.png", digest, 8, 8,
                                                class_code="blast")])
            cell_id = next(c.id for c in atlas.cells() if c.file == f"{number}.png")
            vector = np.random.default_rng(number).normal(size=(1, 16)).astype("f4")
            vector /= np.linalg.norm(vector)
            atlas.add_embeddings("m", np.array([cell_id]), vector)
            assert atlas.search(vector, 1).ids[0, 0] == cell_id
"""


def test_two_processes_may_write_at_once(filled: Atlas) -> None:
    path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), filled.path, str(start), "10"],
            env={**os.environ, "PYTHONPATH": path},
        )
        for start in (10_000, 20_000)
    ]
    for number in range(30_000, 30_010):
        filled.add_labels([NewLabel(number - 29_999, "monocyte", "ana", "single")])
        ids, vectors = filled.embeddings("m")
        assert filled.search(vectors[-1:], 1, labelled=False).ids[0, 0] == ids[-1]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    ids, vectors = filled.embeddings("m")
    assert len(ids) == 140
    assert filled.search(vectors, 1, labelled=False).ids[:, 0].tolist() == ids.tolist()


def cache(atlas: Atlas) -> Path:
    return atlas.path / "vectors" / "m.index"


def check(atlas: Atlas) -> None:
    """Every cell is its own nearest."""
    ids, vectors = atlas.embeddings("m")
    assert atlas.search(vectors, 1, labelled=False).ids[:, 0].tolist() == ids.tolist()


def test_the_cache_is_written_and_used(filled: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.sync_index()
    assert cache(filled).is_file()
    filled.close()
    with Atlas.open(filled.path) as again:
        monkeypatch.setattr(searching.SearchingPart, "_add_newer", _only_if_nothing_is_newer)
        check(again)


def _only_if_nothing_is_newer(self: Atlas, model_id: str, state: object, *rest: object) -> None:
    assert state.mark == rest[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("harm", ["missing", "empty", "truncated", "flipped", "text", "behind"])
def test_a_harmed_cache_is_rebuilt(
    filled: Atlas, make: Make, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    filled.sync_index()
    filled.close()
    file = cache(filled)
    content = file.read_bytes()
    harmed = {
        "empty": b"",
        "truncated": content[:-100],
        "flipped": content[:-100] + b"\xff" + content[-99:],
        "text": b"not an index",
        "behind": content,
    }
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(harmed[harm])
    with caplog.at_level(logging.WARNING, "cellkin.index"), Atlas.open(filled.path) as again:
        if harm == "behind":
            again.add_cells("set0", [make.record(7000)])
            again.add_embeddings("m", again.cell_ids()[-1:], make.unit(1, seed=70))
        check(again)
    warned = "m.index cannot be used" in caplog.text and "it is rebuilt" in caplog.text
    assert warned == (harm not in ("missing", "behind"))
    with Atlas.open(filled.path) as again:
        check(again)


def test_the_cache_of_another_history_is_not_believed(filled: Atlas, make: Make) -> None:
    filled.backup(filled.path.parent / "backup")
    filled.add_cells("set0", [make.record(7000)])
    filled.add_embeddings("m", filled.cell_ids()[-1:], make.unit(1, seed=70))
    filled.sync_index()
    filled.close()
    # The old database comes back, the newer cache stays, and other embeddings take the same rows.
    shutil.copy(filled.path.parent / "backup" / "atlas.sqlite", filled.path / "atlas.sqlite")
    with Atlas.open(filled.path) as again:
        check(again)
    with Atlas.open(filled.path) as again:
        again.add_cells("set0", [make.record(8000)])
        again.add_embeddings("m", again.cell_ids()[-1:], make.unit(1, seed=80))
        check(again)


def test_the_kind_may_change(filled: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.sync_index()
    for kind in ("hnsw", "exact"):
        monkeypatch.setenv("CELLKIN_VECTOR_INDEX", kind)
        with Atlas.open(filled.path) as again:
            check(again)
            again.sync_index()
        assert f'"kind": "{kind}"'.encode() in cache(filled).read_bytes()


def test_a_cache_that_cannot_be_written_costs_no_answer(
    filled: Atlas, caplog: pytest.LogCaptureFixture
) -> None:
    (filled.path / "vectors").write_text("a file where a folder should be")
    with caplog.at_level(logging.WARNING, "cellkin.index"):
        check(filled)
    assert "was not written" in caplog.text


def test_embeddings_are_kept_by_model(filled: Atlas, make: Make, tmp_path: Path) -> None:
    (tmp_path / "n.safetensors").write_bytes(b"other")
    filled.add_model("n", tmp_path / "n.safetensors", {"dim": 4})
    assert filled.active_model == "m"
    ids = filled.cell_ids()
    assert filled.without_embedding("n").tolist() == ids.tolist()
    filled.add_embeddings("n", ids[:10], make.unit(10, 4))
    assert filled.without_embedding("n").tolist() == ids[10:].tolist()
    assert filled.without_embedding("m").tolist() == []
    assert filled.search(make.unit(1, 4), 3, model_id="n", labelled=False).ids.max() <= 10
    filled.set_active_model("n")
    assert filled.embeddings()[1].shape == (10, 4)
    assert filled.search(make.unit(2, 4), 3).ids.shape == (2, 3)
    assert [(row.id, row.active, row.cells) for row in filled.models()] == [
        ("m", False, 120),
        ("n", True, 10),
    ]
    assert filled.model_file("n").read_bytes() == b"other"
    assert filled.embeddings_of("n", [3, 99, 1])[0].tolist() == [1, 3]


def test_wrong_vectors_and_models_are_named(filled: Atlas, make: Make, tmp_path: Path) -> None:
    one = np.array([1])
    with pytest.raises(VectorError, match=r"queries have shape \(1, 4\), allowed is \[N, 16\]"):
        filled.search(make.unit(1, 4), 3)
    with pytest.raises(VectorError, match="k is 0"):
        filled.search(make.unit(1), 0)
    with pytest.raises(VectorError, match="limited to cells without label"):
        filled.search(make.unit(1), 1, filter=CellFilter(labelled=False))
    with pytest.raises(VectorError, match="vectors have 4 columns, model m has 16"):
        filled.add_embeddings("m", one, make.unit(1, 4))
    with pytest.raises(VectorError, match="has length 2, allowed is 1"):
        filled.add_embeddings("m", one, 2 * make.unit(1))
    with pytest.raises(VectorError, match="length nan"):
        filled.add_embeddings("m", one, np.full((1, 16), np.nan))
    with pytest.raises(VectorError, match="comes twice"):
        filled.add_embeddings("m", np.array([1, 1]), make.unit(2))
    with pytest.raises(VectorError, match=r"allowed are \[N\] and \[N, D\]"):
        filled.add_embeddings("m", one, make.unit(2))
    with pytest.raises(UnknownCellError, match="cell 999"):
        filled.add_embeddings("m", np.array([999]), make.unit(1))
    with pytest.raises(UnknownModelError, match="'x' is not in the atlas, it holds m"):
        filled.search(make.unit(1), 1, model_id="x")
    with pytest.raises(UnknownModelError, match="'x'"):
        filled.set_active_model("x")
    with pytest.raises(UnknownModelError, match="does not exist"):
        filled.add_model("x", tmp_path / "none", {})
    filled.model_file("m").unlink()
    with pytest.raises(UnknownModelError, match="file of model m is missing"):
        filled.model_file("m")


def test_an_atlas_without_model_or_embeddings(
    new_atlas: Callable[..., Atlas], make: Make, tmp_path: Path
) -> None:
    atlas = new_atlas()
    with pytest.raises(UnknownModelError, match="no model yet; run 'cellkin embed ATLAS'"):
        atlas.search(make.unit(1), 1)
    (tmp_path / "m").write_bytes(b"m")
    atlas.add_model("m", tmp_path / "m", {})
    nothing = atlas.search(make.unit(2), 3)
    assert (nothing.ids == -1).all()
    assert (nothing.similarity == -np.inf).all()
    assert atlas.embeddings()[0].shape == (0,)
    atlas.sync_index()


def test_searching_again_copies_and_stays_exact(filled: Atlas, make: Make) -> None:
    wanted = CellFilter(not_patients=("p1",))
    ids, vectors = filled.embeddings("m", wanted)
    for turn in range(20):
        query = make.unit(1, seed=turn)
        found = filled.search(query, 7, filter=wanted, labelled=False)
        np.testing.assert_array_equal(found.ids, make.naive(query, vectors, ids, 7)[0])
    for patient in range(40):  # more filters than are kept
        limited = CellFilter(not_patients=(f"p{patient}",))
        ids, vectors = filled.embeddings("m", limited)
        found = filled.search(make.unit(9), 7, filter=limited, labelled=False)
        np.testing.assert_array_equal(found.ids, make.naive(make.unit(9), vectors, ids, 7)[0])

"""Every kind of vector index keeps the one contract; approximate ones are held to the exact one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import IndexFileError, VectorError
from index.vectors import KINDS, choose_kind
from index.vectors.contract import INNER_PRODUCT, VectorIndex
from index.vectors.file import Mark, read_index, write_index
from index.vectors.flat import FlatIndex

Make = SimpleNamespace
D = 16
RECALL = {"exact": 1.0, "hnsw": 0.95, "ivfpq": 0.9}


def clustered(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors around 20 centres, as an embedding of classes is: float32 [count, D]."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, D))
    vectors = centres[rng.integers(20, size=count)] + 0.7 * rng.normal(size=(count, D))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def build(kind: str, count: int = 1500) -> tuple[VectorIndex, np.ndarray, np.ndarray]:
    """An index of ``count`` vectors under scattered ids, with those ids (ascending) and vectors."""
    vectors = clustered(count)
    ids = np.sort(np.random.default_rng(1).choice(10 * count, count, replace=False)).astype(int)

    def source(wanted: np.ndarray) -> np.ndarray:
        return vectors[np.searchsorted(ids, wanted)]

    index = KINDS[kind](D, source)
    index.add(ids, vectors)
    return index, ids, vectors


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def built(kind: str) -> tuple[VectorIndex, np.ndarray, np.ndarray]:
    return build(kind)


def test_recall_against_exact(
    built: tuple[VectorIndex, np.ndarray, np.ndarray], make: Make
) -> None:
    index, ids, vectors = built
    queries = clustered(100, seed=5)
    found = index.search(queries, 10)
    expected, similarity = make.naive(queries, vectors, ids, 10)
    hits = [len(set(a) & set(b)) for a, b in zip(found.ids, expected, strict=True)]
    assert np.mean(hits) / 10 >= RECALL[index.kind]
    assert (np.diff(found.similarity, axis=1) <= 0).all()
    assert found.ids.dtype == np.int64
    assert found.similarity.dtype == np.float32
    same = found.ids == expected
    np.testing.assert_allclose(found.similarity[same], similarity[same], atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.003, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("count", [1, 40])
def test_filtered_search_is_exact_in_every_kind(
    built: tuple[VectorIndex, np.ndarray, np.ndarray], make: Make, share: float, count: int
) -> None:
    index, ids, vectors = built
    chosen = np.random.default_rng(2).random(len(ids)) < share
    queries = clustered(count, seed=6)
    # Ids that the index does not hold may be allowed; they are passed over.
    allowed = np.union1d(ids[chosen], [10 * len(ids) + 5])
    found = index.search(queries, 12, allowed)
    expected, similarity = make.naive(queries, vectors[chosen], ids[chosen], 12)
    np.testing.assert_array_equal(found.ids, expected)
    np.testing.assert_allclose(found.similarity, similarity, atol=1e-5)


def test_replace_and_remove(kind: str, make: Make) -> None:
    index, ids, vectors = build(kind, 1200)
    moved = vectors.copy()
    moved[:50] = make.unit(50, D, seed=7)
    index.source = lambda wanted: moved[np.searchsorted(ids, wanted)]
    index.add(ids[:50], moved[:50])
    assert index.count == 1200
    assert index.search(moved[:50], 1).ids[:, 0].tolist() == ids[:50].tolist()
    assert index.remove(ids[:100]) == 100
    assert index.remove(ids[:100]) == 0
    assert index.count == 1100
    assert sorted(index.ids().tolist()) == ids[100:].tolist()
    assert not np.isin(index.search(vectors[:100], 20).ids, ids[:100]).any()
    allowed = ids[50:150]
    assert np.isin(index.search(vectors[:5], 50, allowed).ids, ids[100:150]).all()


def test_fewer_than_k(kind: str, make: Make) -> None:
    index = KINDS[kind](D)
    assert index.count == 0
    for allowed in (None, np.array([3])):
        nothing = index.search(make.unit(2, D), 3, allowed)
        assert (nothing.ids == -1).all()
        assert (nothing.similarity == -np.inf).all()
    if kind != "ivfpq":
        index.add(np.array([7, 3]), make.unit(2, D))
        for allowed in (None, np.array([3, 7])):
            few = index.search(make.unit(2, D), 4, allowed)
            assert few.ids[:, 0].tolist() == [7, 3]
            assert (few.ids[:, 2:] == -1).all()
            assert (few.similarity[:, 2:] == -np.inf).all()


def test_wrong_input_is_refused(kind: str, make: Make) -> None:
    index, ids, vectors = build(kind, 1100)
    with pytest.raises(VectorError, match=r"queries have shape \(1, 5\), allowed is \[N, 16\]"):
        index.search(np.zeros((1, 5)), 1)
    with pytest.raises(VectorError, match="k is 0, allowed is 1 or more"):
        index.search(vectors[:1], 0)
    with pytest.raises(VectorError, match="not finite"):
        index.search(np.full((1, D), np.nan), 1)
    with pytest.raises(VectorError, match="one id, not negative, a vector"):
        index.add(ids[:2], vectors[:3])
    with pytest.raises(VectorError, match="one id, not negative, a vector"):
        index.add(np.array([-1]), vectors[:1])
    with pytest.raises(VectorError, match="dimension is 0"):
        KINDS[kind](0)
    assert index.count == 1100


def test_ivfpq_says_what_it_cannot_do(make: Make) -> None:
    index = KINDS["ivfpq"](D)
    with pytest.raises(VectorError, match="cannot learn from 100 vectors, it needs 1024"):
        index.add(np.arange(100), make.unit(100, D))
    index.add(np.arange(1100), clustered(1100))
    assert index.search(clustered(3), 2).ids.shape == (3, 2)
    with pytest.raises(VectorError, match="cannot search among some"):
        index.search(clustered(3), 2, np.arange(5))


def test_the_rule_that_chooses() -> None:
    assert [choose_kind(count) for count in (0, 300_000, 300_001, 3_000_000, 3_000_001)] == [
        "exact", "exact", "hnsw", "hnsw", "ivfpq",
    ]  # fmt: skip
    assert choose_kind(10, "hnsw") == "hnsw"
    assert choose_kind(1023, "ivfpq") == "exact"
    assert choose_kind(1024, "ivfpq") == "ivfpq"
    with pytest.raises(VectorError, match="vector index is 'tree', allowed is one of auto, exact"):
        choose_kind(10, "tree")


def test_larger_is_closer_lives_on_the_metric() -> None:
    assert INNER_PRODUCT.larger_is_closer
    assert INNER_PRODUCT.farthest == -np.inf
    assert {each.metric for each in KINDS.values()} == {INNER_PRODUCT}


def test_file_round_trip(
    built: tuple[VectorIndex, np.ndarray, np.ndarray], kind: str, tmp_path: Path
) -> None:
    index, _, _ = built
    mark = Mark(last_id=77, stamp="abc", total=index.count)
    write_index(tmp_path / "v" / "m.index", index, "m", mark)
    again, told = read_index(tmp_path / "v" / "m.index", "m", kind, index.source)
    assert told == mark
    queries = clustered(20, seed=8)
    np.testing.assert_array_equal(again.search(queries, 5).ids, index.search(queries, 5).ids)
    assert [path.name for path in (tmp_path / "v").iterdir()] == ["m.index"]


def small(tmp_path: Path, total: int = 5) -> Path:
    index = FlatIndex(D)
    index.add(np.arange(5), clustered(5))
    write_index(tmp_path / "m.index", index, "m", Mark(5, "s", total))
    return tmp_path / "m.index"


@pytest.mark.parametrize("keep", [0, 10, 18, 22, 60, 300, -1])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    file = small(tmp_path)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(IndexFileError, match=r"m\.index cannot be used: .*; it is rebuilt"):
        read_index(file, "m", "exact")


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 0.9999), flip=st.integers(1, 255))
def test_a_damaged_byte_never_passes(
    tmp_path_factory: pytest.TempPathFactory, where: float, flip: int
) -> None:
    file = small(tmp_path_factory.mktemp("damage"))
    content = bytearray(file.read_bytes())
    content[int(where * len(content))] ^= flip
    file.write_bytes(content)
    with pytest.raises(IndexFileError):
        read_index(file, "m", "exact")


def test_a_file_of_another_model_kind_or_count_is_refused(tmp_path: Path) -> None:
    file = small(tmp_path)
    with pytest.raises(IndexFileError, match="it is of"):
        read_index(file, "other", "exact")
    with pytest.raises(IndexFileError, match="it is of"):
        read_index(file, "m", "hnsw")
    with pytest.raises(IndexFileError, match="holds 5 vectors and tells of 6"):
        read_index(small(tmp_path, total=6), "m", "exact")
    with pytest.raises(IndexFileError, match="No such file"):
        read_index(tmp_path / "none.index", "m", "exact")

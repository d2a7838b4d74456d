"""Two passes over cells: found first, then described at their data set's scale."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index import Atlas, CellFilter
from index.errors import CellKinError
from retrieval.cellview import Finding
from retrieval.embedding import describe_images, embed_atlas
from retrieval.finding import (
    as_row,
    find_source,
    from_row,
    network_view,
    settle_diameter,
    sizes_apart,
    usual_diameter,
)
from retrieval.model import Model, load_model, register_model
from retrieval.reading.importing import import_source


@pytest.fixture(scope="module")
def model(tiny_joint_model: Path) -> Model:
    return load_model(tiny_joint_model)


def disc(diameter: int, side: int = 80, at: tuple[int, int] = (40, 40)) -> np.ndarray:
    """A dark disc on a light ground."""
    rows, columns = np.mgrid[:side, :side]
    rgb = np.full((side, side, 3), (240, 235, 230), np.uint8)
    rgb[(columns - at[0]) ** 2 + (rows - at[1]) ** 2 <= diameter**2 / 4] = (140, 60, 150)
    return rgb


def empty(number: int) -> np.ndarray:
    rgb = np.full((80, 80, 3), 235, np.uint8)
    rgb[0, 0] = number
    return rgb


def save(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rgb in pictures.items():
        Image.fromarray(rgb).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def fresh(tmp_path: Path, tiny_joint_model: Path) -> Iterator[Atlas]:
    folder = save(tmp_path / "cells", {f"{d}": disc(d) for d in (28, 30, 32, 34, 36)})
    save(folder, {"none": empty(1)})
    with Atlas.open(tmp_path / "atlas", create=True) as atlas:
        import_source(atlas, folder, dataset="discs")
        register_model(atlas, tiny_joint_model)
        yield atlas


def test_a_finding_goes_through_the_table_and_back() -> None:
    finding = Finding(1.5, 2.5, 30.0, 0.25, (1.0, 2.0, 3.0), True, 2)
    assert from_row(as_row(finding)) == finding


def test_cells_are_found_once_and_scaled_by_the_median(fresh: Atlas, model: Model) -> None:
    report = embed_atlas(fresh, model=model)
    assert (report.embedded, report.again, report.no_cell) == (6, 0, 1)
    ids, rows = fresh.findings(str(model.finder_id))
    assert len(ids) == 6
    found = [from_row(row) for row in rows]
    names = {cell.id: cell.file for cell in fresh.cells()}
    for cell_id, finding in zip(ids.tolist(), found, strict=True):
        if names[cell_id] == "none.png":
            assert not finding.found
        else:
            assert finding.found
            assert finding.diameter == pytest.approx(int(names[cell_id][:2]), abs=1.2)
    assert usual_diameter(fresh, model, "discs") == pytest.approx(32, abs=1)
    ids, features, scores = fresh.features()
    assert features.shape == (6, 24)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-2)
    pictures = [disc(int(names[i][:2])) if names[i] != "none.png" else empty(1) for i in ids]
    expected = model.describe(pictures, found, usual_diameter(fresh, model, "discs"))
    np.testing.assert_allclose(fresh.embeddings()[1], expected.vectors, atol=1e-4)
    np.testing.assert_allclose(features, expected.features, atol=2e-2)
    again = embed_atlas(fresh, model=model)
    assert (again.embedded, again.again) == (0, 0)


def stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_findings_outlive_a_stop_between_the_passes(
    fresh: Atlas, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.embedding._describe_cells", stopped)
    with pytest.raises(KeyboardInterrupt):
        embed_atlas(fresh, model=model)
    monkeypatch.undo()
    assert len(fresh.findings(str(model.finder_id))[0]) == 6
    monkeypatch.setattr("retrieval.cellview.CellFinder.find_working", stopped)
    assert embed_atlas(fresh, model=model).embedded == 6


def test_a_median_that_moves_far_has_its_cells_embedded_anew(
    fresh: Atlas, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_atlas(fresh, model=model)
    before = dict(zip(*fresh.embeddings(), strict=True))

    def add(name: str, sizes: range, number: int) -> None:
        pictures = {f"{name}{size}": disc(size, at=(40, 40 + number)) for size in sizes}
        import_source(fresh, save(tmp_path / name, pictures), dataset="discs")

    add("near", range(30, 35), 1)  # the median stays about where it was
    report = embed_atlas(fresh, model=model)
    assert (report.embedded, report.again) == (5, 0)
    assert usual_diameter(fresh, model, "discs") == pytest.approx(32, abs=1)
    add("large", range(42, 57), 2)
    with monkeypatch.context() as stopping:  # stopped before any of them is described anew
        stopping.setattr("retrieval.embedding._describe_cells", stopped)
        with pytest.raises(KeyboardInterrupt):
            embed_atlas(fresh, model=model)
    report = embed_atlas(fresh, model=model)
    assert (report.embedded, report.again) == (26, 11)
    usual = usual_diameter(fresh, model, "discs")
    assert usual is not None
    assert usual > 40
    _, used = fresh.scaled_by(model.id)
    np.testing.assert_allclose(used, usual)
    after = dict(zip(*fresh.embeddings(), strict=True))
    changed = [np.abs(after[cell] - vector).max() > 1e-3 for cell, vector in before.items()]
    assert sum(changed) == 5  # the sixth is empty, whatever its scale
    # from a certain number on it stays, whatever comes
    monkeypatch.setattr("retrieval.finding.ENOUGH", 20)
    add("small", range(12, 28), 3)
    assert embed_atlas(fresh, model=model).again == 0
    assert settle_diameter(fresh, model, "discs") == (usual, True)


def test_what_the_network_saw_is_what_it_was_given(
    fresh: Atlas, model: Model, tiny_model: Path
) -> None:
    from retrieval.seen import NetworkEyes

    cell = next(cell for cell in fresh.cells() if cell.file == "36.png")
    rgb = disc(36)
    before = network_view(fresh, model, cell, rgb)
    np.testing.assert_array_equal(before, model.picture(rgb))
    embed_atlas(fresh, model=model)
    after = network_view(fresh, model, cell, rgb)
    assert (after[..., 1] < 120).sum() > (before[..., 1] < 120).sum()  # larger than the usual one
    vector = model.embed_pictures(after[None])[0]
    row = fresh.embeddings()[0].tolist().index(cell.id)
    np.testing.assert_allclose(vector, fresh.embeddings()[1][row], atol=1e-4)
    np.testing.assert_array_equal(NetworkEyes(fresh).picture(cell), after)
    plain = load_model(tiny_model)
    np.testing.assert_array_equal(network_view(fresh, plain, cell, rgb), plain.view.picture(rgb))


def test_a_filter_and_a_missing_file(fresh: Atlas, model: Model, tmp_path: Path) -> None:
    (tmp_path / "cells" / "30.png").unlink()
    report = embed_atlas(fresh, model=model, filter=CellFilter(labelled=True))
    assert report.embedded == 0
    report = embed_atlas(fresh, model=model)
    assert (report.embedded, len(report.passed_over)) == (5, 1)
    Image.fromarray(disc(30)).save(tmp_path / "cells" / "30.png")
    assert embed_atlas(fresh, model=model).embedded == 1


def test_a_source_is_scaled_by_all_of_it_whatever_its_order(model: Model) -> None:
    sizes = [30, 20, 50, 33, 0, 41]

    def read(size: int) -> np.ndarray:
        if size == 0:
            raise CellKinError("unreadable")
        return disc(size)

    one = find_source(model, sizes, read)
    other = find_source(model, sizes[::-1], read)
    assert one.typical == other.typical == pytest.approx(33, abs=1)
    assert len(one) == 5
    assert one.of(0) is None
    for source, order in ((one, sizes), (other, sizes[::-1])):
        said = dict(describe_images(model, order, read, finding=source.of, typical=source.typical))
        assert isinstance(said.pop(0), CellKinError)
        for size, each in said.items():
            expected = model.describe([disc(size)], typical=source.typical)
            np.testing.assert_allclose(each.vectors, expected.vectors, atol=1e-4)  # type: ignore[union-attr]


def test_single_pictures_are_scaled_by_themselves(model: Model) -> None:
    pictures = [disc(30), empty(3), disc(50, at=(30, 44))]
    said = [each for _, each in describe_images(model, pictures, lambda rgb: rgb, batch_size=2)]
    assert [bool(each.found[0]) for each in said] == [True, False, True]  # type: ignore[union-attr]
    for each, rgb in zip(said, pictures, strict=True):
        np.testing.assert_allclose(each.vectors, model.describe([rgb]).vectors, atol=1e-4)  # type: ignore[union-attr]


def test_a_model_without_finder_reads_nothing_first(tiny_model: Path) -> None:
    plain = load_model(tiny_model)

    def read(_: int) -> np.ndarray:
        raise AssertionError

    source = find_source(plain, range(5), read)
    assert (source.typical, len(source)) == (None, 0)


@pytest.fixture
def copy_of(painted: Path, tmp_path: Path) -> Callable[[str], Path]:
    def copied(name: str) -> Path:
        return Path(shutil.copytree(painted, tmp_path / name))

    return copied


def test_models_of_both_formats_live_in_one_atlas(
    atlas: Atlas, copy_of: Callable[[str], Path], tiny_model: Path, tiny_joint_model: Path
) -> None:
    folder = copy_of("cells")
    import_source(atlas, folder, labels=folder / "labels.csv", dataset="painted")
    for file, width in ((tiny_model, 32), (tiny_joint_model, 32), (tiny_model, 32)):
        register_model(atlas, file)
        embed_atlas(atlas)
        assert atlas.embeddings()[1].shape == (atlas.count(), width)
    assert len(atlas.features()[0]) == 0
    register_model(atlas, tiny_joint_model)
    assert len(atlas.features()[0]) == atlas.count()


def test_a_folder_is_classified_and_evaluated_at_its_own_scale(
    atlas: Atlas, copy_of: Callable[[str], Path], tiny_joint_model: Path, tmp_path: Path
) -> None:
    from retrieval.answers.classify import classify
    from retrieval.evaluation.collect import Recipe, evaluate_source

    folder = copy_of("cells")
    import_source(atlas, folder, labels=folder / "labels.csv", dataset="painted")
    register_model(atlas, tiny_joint_model)
    embed_atlas(atlas)
    report = classify(atlas, folder, tmp_path / "p.csv", k=3)
    # found at the scale of the same pictures, so every picture has a reference like itself
    assert report.counts.cells == report.counts.identical > 20
    done = evaluate_source(atlas, folder, Recipe("class", 3), labels=folder / "labels.csv")
    assert done.left_out == []


def rows_of(diameters: np.ndarray) -> np.ndarray:
    return np.array([as_row(Finding(0, 0, d, 0.4, (240, 240, 240), True, 0)) for d in diameters])


def test_cells_of_several_magnifications_are_noticed():
    rng = np.random.default_rng(0)
    one = rng.uniform(40, 110, 200)  # from platelets to monocytes
    assert sizes_apart(rows_of(one)) is None
    mixed = sizes_apart(rows_of(np.r_[one, 3 * one[:100]]))
    assert mixed is not None
    assert "differ in size by a factor of" in mixed
    assert sizes_apart(rows_of(np.r_[one[:20], 3 * one[:20]])) is None  # too few to tell


def test_embedding_says_which_data_set_is_uneven(
    fresh: Atlas, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.finding.ENOUGH", 5)
    monkeypatch.setattr("retrieval.finding.SIZES", 1.1)
    report = embed_atlas(fresh, model=model)
    assert set(report.uneven) == {"discs"}
    assert embed_atlas(fresh, model=model).uneven == {}  # nothing new, nothing to say

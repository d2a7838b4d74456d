"""Import: complete, repeatable, honest about what it passed over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from index import Atlas, CellFilter
from index.errors import CellKinError
from retrieval.reading import importing
from retrieval.reading.decode import cell_path, read_cell
from retrieval.reading.errors import CellFileMissingError, SourceError, UnknownNamesError
from retrieval.reading.importing import import_source, plan_import

Painter = Callable[..., Path]
Pixels = Callable[..., np.ndarray]


@pytest.fixture
def folder(tmp_path: Path, paint: Painter) -> Path:
    """Five pictures in class folders, one of them with its subclass."""
    root = tmp_path / "laboratory"
    names = ("neutrophil/a", "neutrophil/b", "ig/PMY/c", "monocyte/d", "monocyte/e")
    for seed, name in enumerate(names):
        paint(root / f"{name}.png", seed)
    return root


def labels_of(atlas: Atlas) -> dict[str, str]:
    present = atlas.present_labels()
    return {cell.file: present[cell.id] for cell in atlas.cells() if cell.id in present}


def test_cells_and_labels_come_in(atlas: Atlas, folder: Path) -> None:
    report = import_source(atlas, folder)
    assert (report.dataset, report.reader) == ("laboratory", "class_folders")
    assert (report.added, report.existing, report.labels) == (5, 0, 5)
    assert labels_of(atlas) == {
        "neutrophil/a.png": "neutrophil",
        "neutrophil/b.png": "neutrophil",
        "ig/PMY/c.png": "promyelocyte",
        "monocyte/d.png": "monocyte",
        "monocyte/e.png": "monocyte",
    }
    cell = next(atlas.cells())
    assert (cell.width, cell.height, cell.root) == (16, 12, str(folder))
    assert all(read_cell(atlas, each).shape == (12, 16, 3) for each in atlas.cells())


def test_importing_again_adds_nothing(atlas: Atlas, folder: Path, paint: Painter) -> None:
    import_source(atlas, folder)
    again = import_source(atlas, folder)
    assert (again.added, again.existing, again.labels) == (0, 5, 0)
    paint(folder / "basophil" / "new.png", 77)
    more = import_source(atlas, folder)
    assert (more.added, more.existing, more.labels) == (1, 5, 1)
    assert atlas.count() == 6


def test_provenance_of_a_table(atlas: Atlas, tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "set" / "images" / "a.png", 1)
    paint(tmp_path / "set" / "images" / "b.png", 2)
    labels = tmp_path / "set" / "labels.csv"
    labels.write_text(
        "path,class,subclass,patient,slide,stain,scanner,field,split,box\n"
        'a.png,neutrophil,SNE,p1,s1,MGG,DM96,f1,training,"1,2,3,4"\n'
    )
    report = import_source(atlas, tmp_path / "set", labels=labels)
    assert (report.added, report.labels) == (2, 1)
    first, second = atlas.cells()
    assert (first.patient, first.slide, first.stain, first.scanner) == ("p1", "s1", "MGG", "DM96")
    assert (first.field, first.split, first.box) == ("f1", "train", (1, 2, 3, 4))
    assert second.patient is None
    assert labels_of(atlas) == {"images/a.png": "segmented_neutrophil"}


def test_bad_pictures_are_passed_over_by_name(atlas: Atlas, folder: Path) -> None:
    whole = (folder / "neutrophil" / "a.png").read_bytes()
    (folder / "neutrophil" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "neutrophil" / "empty.jpg").write_bytes(b"")
    (folder / "monocyte" / "text.jpg").write_text("not a picture")
    (folder / "monocyte" / "text2.jpg").write_text("nor this")
    (folder / "notes.md").write_text("x")
    report = import_source(atlas, folder)
    assert report.added == 5
    reasons = report.reasons
    assert reasons["empty"] == ["neutrophil/empty.jpg"]
    assert reasons["no picture of a kind that can be read"] == [
        "monocyte/text.jpg",
        "monocyte/text2.jpg",
    ]
    assert reasons["no picture by its name (.md)"] == ["notes.md"]
    assert any(key.startswith("damaged") for key in reasons)
    assert len(report.as_dict()["passed_over"]) == 5


def test_duplicates_and_contradictions(atlas: Atlas, folder: Path) -> None:
    shutil.copy(folder / "neutrophil/a.png", folder / "neutrophil/z.png")
    shutil.copy(folder / "monocyte/d.png", folder / "neutrophil/y.png")
    report = import_source(atlas, folder)
    assert report.added == 5
    assert sorted(report.duplicates) == [
        ("neutrophil/y.png", "monocyte/d.png"),
        ("neutrophil/z.png", "neutrophil/a.png"),
    ]
    assert report.contradictions == [
        ("neutrophil/y.png", "neutrophil", "monocyte/d.png", "monocyte")
    ]
    assert len(atlas.disputed()) == 1
    again = import_source(atlas, folder)
    assert (again.added, again.labels) == (0, 0)


def test_rows_that_contradict_each_other_are_both_kept(atlas: Atlas, folder: Path) -> None:
    labels = folder / "labels.csv"
    labels.write_text("file,class\nmonocyte/d.png,monocyte\nmonocyte/d.png,blast\n")
    report = import_source(atlas, folder, labels=labels)
    assert (report.added, report.existing, report.labels) == (5, 0, 2)
    assert len(report.contradictions) == 1
    assert len(atlas.disputed()) == 1
    again = import_source(atlas, folder, labels=labels)
    assert (again.added, again.existing, again.labels) == (0, 5, 0)


def test_unknown_classes_come_in_unlabelled(atlas: Atlas, folder: Path, paint: Painter) -> None:
    paint(folder / "neutrophyl" / "x.png", 50)
    paint(folder / "wibble" / "y.png", 51)
    report = import_source(atlas, folder)
    assert (report.added, report.labels) == (7, 5)
    assert [(each.text, each.cells) for each in report.unknown_classes] == [
        ("neutrophyl", 1),
        ("wibble", 1),
    ]
    assert "neutrophil" in report.unknown_classes[0].close
    assert report.unlabelled == 2
    paint(folder / "wibble" / "z.png", 52)
    again = import_source(atlas, folder)  # of three of an unknown class one is new
    assert (again.added, again.unlabelled) == (1, 1)
    assert import_source(atlas, folder).unlabelled == 0
    atlas.add_class("wibble", "wibble", "leukocyte", author="t")
    again = import_source(atlas, folder)
    assert (again.added, again.labels) == (0, 2)


def test_strict_stops_before_anything_is_written(
    atlas: Atlas, folder: Path, paint: Painter
) -> None:
    paint(folder / "wibble" / "y.png", 51)
    with pytest.raises(UnknownNamesError, match=r"1 class name is .*'wibble' \(1\)"):
        import_source(atlas, folder, strict=True)
    assert atlas.count() == 0
    assert atlas.datasets().empty
    shutil.rmtree(folder / "wibble")
    assert import_source(atlas, folder, strict=True).added == 5


def test_copies_live_in_the_atlas(atlas: Atlas, folder: Path) -> None:
    report = import_source(atlas, folder, copy=True)
    assert report.added == 5
    cells = list(atlas.cells())
    stored = {cell_path(atlas, cell).relative_to(atlas.path).parts[0] for cell in cells}
    assert stored == {"images"}
    assert cell_path(atlas, cells[0]).read_bytes() == (folder / cells[0].file).read_bytes()
    shutil.rmtree(folder)
    assert all(read_cell(atlas, cell).shape == (12, 16, 3) for cell in cells)
    assert not list(Path(atlas.path).rglob("*.part"))


def test_a_later_import_may_copy(atlas: Atlas, folder: Path) -> None:
    import_source(atlas, folder)
    assert import_source(atlas, folder, copy=True).added == 0
    shutil.rmtree(folder)
    assert all(read_cell(atlas, cell).shape == (12, 16, 3) for cell in atlas.cells())


def test_pages_rows_and_their_copies(atlas: Atlas, tmp_path: Path, picture: Pixels) -> None:
    stack = np.stack([picture(seed) for seed in (1, 2, 3)])
    (tmp_path / "stacks").mkdir()
    tifffile.imwrite(tmp_path / "stacks" / "s.tif", stack, photometric="rgb")
    np.savez(tmp_path / "bloodmnist.npz", val_images=stack[:2, :8, :8], val_labels=[[6], [0]])
    assert import_source(atlas, tmp_path / "stacks", copy=True).added == 3
    report = import_source(atlas, tmp_path / "bloodmnist.npz", copy=True)
    assert (report.dataset, report.added, report.labels) == ("bloodmnist", 2, 2)
    rows = list(atlas.cells(CellFilter(datasets=("bloodmnist",))))
    assert [(each.frame, each.member, each.split) for each in rows] == [
        (0, "val_images", "val"),
        (1, "val_images", "val"),
    ]
    shutil.rmtree(tmp_path / "stacks")
    (tmp_path / "bloodmnist.npz").unlink()
    pages = [each for each in atlas.cells() if each.file == "s.tif"]
    assert [each.frame for each in pages] == [0, 1, 2]
    for page in pages:
        np.testing.assert_array_equal(read_cell(atlas, page), picture(page.frame + 1))
    assert read_cell(atlas, rows[1]).tolist() == stack[1, :8, :8].tolist()


def test_a_second_folder_in_one_data_set(
    atlas: Atlas, folder: Path, tmp_path: Path, paint: Painter
) -> None:
    import_source(atlas, folder, dataset="lab")
    other = paint(tmp_path / "more" / "monocyte" / "z.png", 60)
    assert import_source(atlas, tmp_path / "more", dataset="lab").added == 1
    assert import_source(atlas, tmp_path / "more", dataset="lab").added == 0
    assert [cell_path(atlas, cell).exists() for cell in atlas.cells()] == [True] * 6
    assert str(other) in {cell.file for cell in atlas.cells()}
    assert import_source(atlas, folder / "monocyte", dataset="lab").existing == 2


def test_a_data_set_that_moved_is_found_again(atlas: Atlas, folder: Path) -> None:
    import_source(atlas, folder, dataset="lab")
    moved = folder.rename(folder.parent / "elsewhere")
    with pytest.raises(CellFileMissingError):
        read_cell(atlas, next(atlas.cells()))
    again = import_source(atlas, moved, dataset="lab")
    assert (again.added, again.existing) == (0, 5)
    assert read_cell(atlas, next(atlas.cells())).shape == (12, 16, 3)


def test_names_of_data_sets(folder: Path, tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "jhu" / "images" / "a.png")
    assert plan_import(tmp_path / "jhu" / "images").report.dataset == "jhu"
    assert plan_import(folder).report.dataset == "laboratory"
    assert plan_import(folder, dataset="own").report.dataset == "own"


def test_nothing_to_import(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no picture in .*: it is empty"):
        plan_import(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(SourceError, match=r"no picture by its name \(\.txt\)"):
        plan_import(tmp_path / "empty")


def test_stopped_then_repeated(
    atlas: Atlas, tmp_path: Path, paint: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "many"
    for seed in range(60):
        paint(root / f"{seed:03}.png", seed, height=4, width=4)
    monkeypatch.setattr("index.importing.BATCH", 16)
    monkeypatch.setattr("index.catalogue.BATCH", 16, raising=False)
    monkeypatch.setattr(importing, "CHUNK", 8)
    records = importing._Task.records

    def interrupted(*arguments: object) -> Iterator[object]:
        for number, record in enumerate(records(*arguments)):  # type: ignore[arg-type]
            if number == 40:
                raise KeyboardInterrupt
            yield record

    with monkeypatch.context() as patch:
        patch.setattr(importing._Task, "records", interrupted)
        with pytest.raises(KeyboardInterrupt):
            import_source(atlas, root)
    kept = atlas.count()
    assert 0 < kept < 60
    report = import_source(atlas, root)
    assert (report.added, report.existing) == (60 - kept, kept)
    assert atlas.count() == 60


def test_order_does_not_depend_on_threads(tmp_path: Path, paint: Painter) -> None:
    for seed in range(50):
        paint(tmp_path / "many" / f"{seed:03}.png", seed, height=4, width=4)
    files = []
    for workers in (1, 4):
        with Atlas.open(tmp_path / f"atlas{workers}", create=True) as atlas:
            import_source(atlas, tmp_path / "many", workers=workers)
            files.append([(cell.id, cell.file) for cell in atlas.cells()])
    assert files[0] == files[1]


def test_an_atlas_that_cannot_take_copies(
    atlas: Atlas, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(atlas.path) / "images").write_text("in the way")
    with pytest.raises(CellKinError, match="a copy cannot be written"):
        import_source(atlas, folder, copy=True)
    assert atlas.count() == 0


@pytest.mark.realdata
def test_real_cells_of_each_prefix(atlas: Atlas, real_data: Path) -> None:
    report = import_source(atlas, real_data / "pbc_native")
    assert (report.reader, report.added, report.labels) == ("pbc", 52, 52)
    assert set(labels_of(atlas).values()) == {
        "basophil", "eosinophil", "erythroblast", "immature_granulocyte", "metamyelocyte",
        "myelocyte", "promyelocyte", "lymphocyte", "monocyte", "band_neutrophil", "neutrophil",
        "segmented_neutrophil", "platelet",
    }  # fmt: skip
    assert report.unknown_classes == []

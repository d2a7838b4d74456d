"""An export from beginning to end, and an import: a folder that appears whole, or not at all."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.exchange.card import UNKNOWN, card, licence_of
from annotator.exchange.formats import FORMATS, Format
from annotator.exchange.job import Job
from annotator.exchange.reading import SUFFIXES
from annotator.exchange.taking import ImportReport, take_rows
from annotator.problems import BadTableError, ExportError
from index.browsing import cells_by_dataset
from index.files import named_os_error
from index.filters import unknown_dataset
from retrieval.reading.errors import FetchError
from retrieval.reading.unpack import unpack

if TYPE_CHECKING:
    from index.atlas import Atlas

CARD = "README.md"


@dataclass(frozen=True)
class Exchange:
    """What an export did: ``count`` cells went out, ``passed_over`` (file, reason) did not."""

    folder: Path
    count: int
    passed_over: tuple[tuple[str, str], ...]


def known_format(name: str) -> Format:
    """The format of that name. Raises ExportError naming the allowed ones."""
    if name not in FORMATS:
        raise ExportError(
            f"format is {name[:40]!r}, allowed is one of {', '.join(FORMATS)}", "name one of these"
        )
    return FORMATS[name]


def export(
    atlas: Atlas,
    form: str,
    out: Path,
    *,
    datasets: Sequence[str] = (),
    consensus: bool = False,
    pictures: bool = True,
    licence: str = "",
) -> Exchange:
    """Write the labelled cells as ``form`` into the new folder ``out``, with a data card.

    It appears when it is whole. Raises ExportError, MissingPackageError, UnknownDatasetError,
    DiskFullError, StorageError.
    """
    format = known_format(form)
    _check_datasets(atlas, datasets)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(
            f"{out} exists, an export is written to a new or empty folder", "give another folder"
        )
    beside = out.with_name(f"{out.name}.{secrets.token_hex(4)}.part")
    pictures = pictures and format.draws
    job = Job(atlas, beside, out.name, tuple(datasets), consensus, pictures, licence)
    try:
        beside.mkdir(parents=True)
        format.write(job)
        _write_card(job, form)
        if out.is_dir():
            out.rmdir()
        beside.rename(out)
    except OSError as error:
        raise named_os_error(error, out) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Exchange(out, job.counts.total, tuple(job.passed_over))


def _check_datasets(atlas: Atlas, names: Sequence[str]) -> None:
    known = list(cells_by_dataset(atlas))
    for name in names:
        if name not in known:
            raise unknown_dataset(name, known)


def _write_card(job: Job, form: str) -> None:
    text = card(
        job.atlas,
        job.counts,
        form=FORMATS[form].title,
        datasets=job.datasets,
        consensus=job.consensus,
        licence=job.licence,
        passed_over=job.passed_over,
    )
    # What Hugging Face reads of a card, and nobody else minds.
    licence = licence_of(job.atlas, job.counts.datasets, job.licence) or UNKNOWN
    head = f'---\nlicense: other\nlicense_name: "{_quoted(licence)}"\n'
    head += "task_categories:\n- image-classification\n---\n\n"
    job.write_text(CARD, (head if form == "huggingface" else "") + text)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


@contextmanager
def packed(folder: Path) -> Iterator[Path]:
    """A zip of ``folder``, for as long as the block lasts. Pictures are not packed twice."""
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        archive = Path(scratch) / f"{folder.name}.zip"
        with zipfile.ZipFile(archive, "w") as zipped:
            for file in sorted(folder.rglob("*")):
                is_picture = file.suffix.lower() in SUFFIXES
                how = zipfile.ZIP_STORED if is_picture else zipfile.ZIP_DEFLATED
                zipped.write(file, Path(folder.name) / file.relative_to(folder), how)
        yield archive


def recognise(path: Path) -> Format:
    """The format of what lies at ``path``, by the names of its files. Raises BadTableError."""
    for format in FORMATS.values():
        name = format.shape
        if path.is_file() and path.name == name:
            return format
        if path.is_dir() and ((path / name).is_file() or any(path.glob(f"*/{name}"))):
            return format
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return FORMATS["csv"]
    if path.is_file() and path.suffix.lower() == ".parquet":
        return FORMATS["parquet"]
    if path.is_dir() and any(
        file.suffix.lower() in SUFFIXES
        for each in path.iterdir()
        if each.is_dir()
        for file in each.iterdir()
    ):
        return FORMATS["folders"]
    shapes = ", ".join(each.shape for each in FORMATS.values())
    raise BadTableError(
        f"{path.name} is in no format that is known by its files ({shapes})",
        "name its format",
    )


def read_labels(
    atlas: Atlas,
    path: Path,
    *,
    form: str | None = None,
    source: str = "",
    author: str,
    uploaded: bool = False,
) -> ImportReport:
    """Work out what the labels at ``path`` would add; nothing is written.

    ``path`` is a file or a folder of one of FORMATS, or a zip of one; ``form`` names the format
    where it is not to be recognised. ``author`` is who gives rows without one, ``source`` is kept
    with each label (the name of ``path`` by default). ``uploaded``: from elsewhere, so no picture
    is looked at but those that came with it. Raises BadTableError, ExportError,
    MissingPackageError.
    """
    if not path.exists():
        raise BadTableError(f"{path} does not exist", "give a file or a folder of labels")
    source = source or path.name
    if path.is_file() and path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
            inside = _unpacked(path, Path(scratch))
            return read_labels(
                atlas, inside, form=form, source=source, author=author, uploaded=uploaded
            )
    format = known_format(form) if form else recognise(path)
    within = (path if path.is_dir() else path.parent) if uploaded else None
    return take_rows(atlas, format.read(path), source=source, author=author, within=within)


def _unpacked(archive: Path, folder: Path) -> Path:
    try:
        names = unpack(archive, folder)
    except FetchError as error:
        told = f"{archive.name} cannot be unpacked: {error.message}"
        raise BadTableError(told, error.remedy) from error
    only = [folder / name for name in names]
    return only[0] if len(only) == 1 and only[0].is_dir() else folder

"""Everything a source holds, whatever it is: what import, classify and evaluate read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from index.errors import UnknownClassError
from index.taxonomy import Taxonomy, shipped_taxonomy
from retrieval.reading.decode import page_numbers
from retrieval.reading.errors import SourceError
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.overlay import Labels
from retrieval.reading.readers import Reader, Request, detect, reader_named


@dataclass(frozen=True)
class Source:
    """A source, how it is read, and the folder its file names are relative to."""

    request: Request
    reader: Reader
    root: Path

    def read(
        self, *, keep_both: bool = False
    ) -> tuple[Iterator[Found | PassedOver], Labels | None]:
        """The pictures and files passed over, and the table of labels that goes with them.

        A TIFF is one Found that stands for all its pages (``whole``). ``keep_both``: see Labels.
        Raises SourceError.
        """
        if self.reader.name == "table":
            labels = Labels.of_table(self.request.source, keep_both=keep_both)
            return labels.join(()), labels
        pictures = self.reader.read(self.request)
        if self.request.labels is None:
            return pictures, None
        labels = Labels.of_folder(self.request.labels, self.request.source, keep_both=keep_both)
        return labels.join(pictures), labels


def open_source(
    source: Path,
    labels: Path | None = None,
    *,
    reader: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> Source:
    """Find out how ``source`` is to be read. Reads names only, no pixels.

    Raises SourceError, TableError, UnknownReaderError.
    """
    request = Request(source, labels, _knows(taxonomy or shipped_taxonomy()))
    found = reader_named(reader) if reader is not None else None
    if not source.exists():
        raise SourceError(f"no file or folder {source}", "check the path")
    if labels is not None and not source.is_dir():
        raise SourceError(
            f"a table of labels goes with a folder, {source} is none",
            "leave --labels out, or give the folder of the pictures as the source",
        )
    chosen = found or detect(request)
    if found is not None and source.is_dir() and found.name in ("table", "medmnist", "single"):
        raise SourceError(f"reader {found.name} reads a file, {source} is a folder", "give a file")
    if found is not None and source.is_file() and found.name not in ("table", "medmnist", "single"):
        raise SourceError(
            f"reader {found.name} reads a folder, {source} is a file", "give a folder"
        )
    return Source(request, chosen, source if source.is_dir() else source.parent)


def iter_source(
    source: Path,
    labels: Path | None = None,
    *,
    reader: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> Iterator[Found | PassedOver]:
    """Every cell of a folder, a CSV file, an array file or a single picture, in a fixed order.

    Found.file is the name as given: relative to the source, or as the CSV spells it. Each page of
    a TIFF comes as its own Found. Class texts are the source's words (with ``labels``, the
    table's). Names are read, not pixels; ``decode(found.path, found.frame, found.member)`` gives
    them. Raises SourceError and its kinds at once or while iterating.
    """
    pictures, _ = open_source(source, labels, reader=reader, taxonomy=taxonomy).read()
    for picture in pictures:
        if isinstance(picture, Found) and picture.whole:
            yield from pages(picture)
        else:
            yield picture


def pages(picture: Found) -> Iterator[Found]:
    """One Found for each page that ``picture`` stands for."""
    for number in page_numbers(picture.path):
        yield replace(picture, frame=number, whole=False)


def _knows(taxonomy: Taxonomy) -> Callable[[str], bool]:
    """Whether a text names a class; the groups at the top of the tree do not count."""

    def known(text: str) -> bool:
        try:
            return taxonomy.resolve(text).level != "group"
        except UnknownClassError:
            return False

    return known

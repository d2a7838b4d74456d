"""One picture."""

from __future__ import annotations

from collections.abc import Iterator

from retrieval.reading.decode import SUFFIXES
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.readers.base import Request, found
from retrieval.reading.walk import Entry


class Single:
    """A lone file."""

    name = "single"
    summary = "one picture; each page of a TIFF is a cell"

    def recognises(self, request: Request) -> bool:
        """Whether the source is a file whose suffix says picture."""
        return request.source.is_file() and request.source.suffix.lower() in SUFFIXES

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """The picture."""
        yield found(Entry(request.source.name, str(request.source)))

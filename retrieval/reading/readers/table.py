"""A CSV file that names the pictures."""

from __future__ import annotations

from collections.abc import Iterator

from retrieval.reading.found import Found, PassedOver
from retrieval.reading.overlay import Labels
from retrieval.reading.readers.base import Request

SUFFIXES = frozenset({".csv", ".tsv", ".txt"})


class TableReader:
    """A table as the source: its rows say which pictures are meant."""

    name = "table"
    summary = "a CSV file as the source; its rows name the pictures, relative to it or absolute"

    def recognises(self, request: Request) -> bool:
        """Whether the source is a file whose suffix says table."""
        return request.source.is_file() and request.source.suffix.lower() in SUFFIXES

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """A picture a row, under the name the row gives it."""
        labels = Labels.of_table(request.source)
        yield from labels.passed_over
        yield from labels.remaining()

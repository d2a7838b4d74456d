"""What can go wrong while cells are read."""

from __future__ import annotations

from index.errors import CellKinError


class ReadingError(CellKinError):
    """The root of what reading raises."""


class ImageError(ReadingError):
    """One picture cannot be used; a run over many reports it and goes on."""


class ImageMissingError(ImageError):
    """There is no file of that name."""


class ImageUnreadableError(ImageError):
    """The file is empty, truncated, damaged, or no picture at all."""


class ImageTooLargeError(ImageError):
    """The header announces more pixels than setting ``max_pixels`` allows."""


class CellFileMissingError(ImageError):
    """The file a cell of an atlas was imported from is gone."""


class CellFileChangedError(ImageError):
    """The file a cell of an atlas was imported from now holds other pixels."""


class SourceError(ReadingError):
    """The folder, table or file to read from cannot be used."""


class TableError(SourceError):
    """A table of labels cannot be read as one."""


class UnknownReaderError(SourceError):
    """No reader has that name."""


class UnknownNamesError(SourceError):
    """``strict`` was asked for and the source names classes the atlas does not know."""


class FetchError(ReadingError):
    """A public data set could not be downloaded."""

"""The root of every error CellKin raises on purpose, and the errors of the atlas.

A library function raises a named subclass; the command line prints it as one line and the
annotator returns it as one JSON object. Each message says what was received and what is allowed;
``remedy`` says what to do next.
"""

from __future__ import annotations


class CellKinError(Exception):
    """A problem the user can act on.

    ``message`` states what was received and what is allowed, ``remedy`` what to do about it.
    Both are single sentences without a full stop at the end.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}; {remedy}" if remedy else message)


class SettingError(CellKinError):
    """A setting was given a value outside what it allows."""


class TaxonomyError(CellKinError):
    """The tree of classes would become invalid."""


class UnknownClassError(TaxonomyError):
    """A class that the taxonomy does not hold."""


class AtlasError(CellKinError):
    """A problem of one atlas."""


class AtlasNotFoundError(AtlasError):
    """No atlas is at the given path."""


class AtlasDamagedError(AtlasError):
    """The database of the atlas cannot be read as one."""


class AtlasTooNewError(AtlasError):
    """The atlas was written by a newer CellKin."""


class AtlasReadOnlyError(AtlasError):
    """The folder or the files of the atlas may not be written."""


class AtlasBusyError(AtlasError):
    """Another process kept the atlas locked for too long."""


class DiskFullError(AtlasError):
    """There is no room left; what was acknowledged before is kept."""


class StorageError(AtlasError):
    """The disk failed, or the database could not be opened."""


class TargetExistsError(AtlasError):
    """A file or folder stands where something new should be written."""


class UnknownDatasetError(AtlasError):
    """A data set that the atlas does not hold."""


class UnknownCellError(AtlasError):
    """A cell that the atlas does not hold."""


class UnknownModelError(AtlasError):
    """A model that the atlas does not hold."""


class UnknownUserError(AtlasError):
    """A user that the atlas does not hold."""


class AccountError(AtlasError):
    """An invitation, a name, a role or a token that does not count."""


class AssignmentError(AtlasError):
    """Work that cannot be shared out as asked."""


class RecordError(AtlasError):
    """A cell, filter, document or user with values outside what is allowed."""


class LabelError(AtlasError):
    """A label that may not be given."""


class VectorError(AtlasError):
    """Vectors of the wrong shape, type, length or model."""


class IndexFileError(AtlasError):
    """A vector index file that is damaged or of another atlas; it is rebuilt where possible."""

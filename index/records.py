"""The plain records that go into an atlas and come out of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from index.errors import RecordError

if TYPE_CHECKING:
    import numpy as np

Box = tuple[int, int, int, int]

SPLITS = ("train", "val", "test")
HOW = ("imported", "single", "bulk", "adjudicated", "undo")


@dataclass(frozen=True)
class CellRecord:
    """What a reader yields of one cell, before the atlas gives it an id.

    ``file`` is a posix path relative to the data set's root, or absolute. ``sha256`` is that of
    the decoded pixels: of ``f"{h}x{w}x3:".encode()`` followed by the RGB bytes. ``box`` is
    (left, top, width, height) in pixels of ``field``. ``frame`` counts pages of a TIFF or rows of
    an array, ``member`` names the array inside an .npz. ``class_code`` is the deepest class known.
    ``stored`` is the path of a copy, relative to the atlas.
    """

    file: str
    sha256: str
    width: int
    height: int
    patient: str | None = None
    slide: str | None = None
    stain: str | None = None
    scanner: str | None = None
    field: str | None = None
    box: Box | None = None
    split: str | None = None
    frame: int = 0
    member: str | None = None
    class_code: str | None = None
    stored: str | None = None

    @property
    def place(self) -> str:
        """The file, with member and frame where the file holds several cells."""
        return place(self.file, self.frame, self.member)


def place(file: str, frame: int, member: str | None) -> str:
    """Name one picture inside ``file``: ``cell.png``, ``stack.tif[3]``, ``set.npz:images[3]``."""
    if member is not None:
        return f"{file}:{member}[{frame}]"
    return f"{file}[{frame}]" if frame else file


@dataclass(frozen=True)
class Cell:
    """One cell of an atlas. ``root`` is the folder of its data set, see CellRecord for the rest."""

    id: int
    file: str
    sha256: str
    width: int
    height: int
    dataset: str
    root: str
    patient: str | None = None
    slide: str | None = None
    stain: str | None = None
    scanner: str | None = None
    field: str | None = None
    box: Box | None = None
    split: str | None = None
    frame: int = 0
    member: str | None = None
    stored: str | None = None
    flagged: bool = False


@dataclass(frozen=True)
class CellFilter:
    """Which cells are meant. An empty field is no limit; all fields must hold together.

    ``classes`` means the present label is one of these or below it; ``authors`` that one of these
    gave the present label. Patients and slides are meant by name in every data set, or as
    ``dataset/name`` in one. ``not_patients`` and ``not_slides`` keep the cells of which no patient
    or slide is known. ``labelled`` asks for a present label: a disputed cell has none.
    """

    datasets: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    slides: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    not_patients: tuple[str, ...] = ()
    not_slides: tuple[str, ...] = ()
    not_datasets: tuple[str, ...] = ()
    not_cells: tuple[int, ...] = ()
    labelled: bool | None = None
    embedded_with: str | None = None
    flagged: bool | None = None

    def __post_init__(self) -> None:
        """Take any iterable for a tuple field, and refuse a lone text, a common slip."""
        for each in fields(self):
            value: Any = getattr(self, each.name)
            if each.default != () or isinstance(value, tuple):
                continue
            if isinstance(value, str | bytes) or value is None:
                raise RecordError(
                    f"filter {each.name} is {value!r}, allowed is a sequence",
                    f"write {each.name}=({value!r},)",
                )
            object.__setattr__(self, each.name, tuple(value))


@dataclass(frozen=True)
class NewLabel:
    """A label before the atlas gives it an id and a time.

    ``how`` is one of HOW. ``proposed_class``, ``proposed_probability`` (0 to 1), ``model_id`` and
    ``proposal_visible`` keep what was proposed then and whether the author could see it.
    ``source`` is the file an imported label came from; ``retracts`` the label an undo takes back.
    """

    cell_id: int
    class_code: str
    author: str
    how: str
    proposed_class: str | None = None
    proposed_probability: float | None = None
    model_id: str | None = None
    proposal_visible: bool | None = None
    source: str | None = None
    note: str | None = None
    retracts: int | None = None


@dataclass(frozen=True)
class Label(NewLabel):
    """A label as the atlas keeps it; ``time`` is ISO 8601 in UTC."""

    id: int = 0
    time: str = ""


@dataclass(frozen=True)
class Differing:
    """Another value is told of ``cells`` cells in ``column`` than the atlas holds and keeps.

    Of ``file``, for one, it holds ``held`` and ``told`` was told.
    """

    column: str
    cells: int
    file: str
    held: str
    told: str


@dataclass
class AddReport:
    """What ``Atlas.add_cells`` did.

    ``unlabelled`` holds the new cells that came without a class: the file of each by its id.
    ``duplicates`` are (file, file of the same pixels that is kept); ``contradictions`` are (file,
    its class, other file of the same pixels, the other's class). ``filled`` counts the cells that
    were there by the column (patient, slide, split, stain, scanner, field) that was told of them
    now and was empty; ``differing`` are those of which another value was told than is kept.
    """

    added: int = 0
    existing: int = 0
    labels: int = 0
    unlabelled: dict[int, str] = field(default_factory=dict)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    contradictions: list[tuple[str, str, str, str]] = field(default_factory=list)
    filled: dict[str, int] = field(default_factory=dict)
    differing: list[Differing] = field(default_factory=list)


class Marks(NamedTuple):
    """How far an atlas has come; each number only grows, 0 before the first.

    labels: id of the last label. embeddings: id of the last batch under a model. origins: how often
    an import told more of cells that were there (their patient, slide, split and the like).
    """

    labels: int
    embeddings: int
    origins: int


@dataclass(frozen=True)
class Neighbours:
    """The nearest cells of Q queries, nearest first.

    ``ids`` int64 [Q, K], -1 where fewer than K cells exist; ``similarity`` float32 [Q, K], the
    inner product of unit vectors (-1 to 1, larger is closer), -inf beside an id of -1.
    """

    ids: np.ndarray
    similarity: np.ndarray


@dataclass(frozen=True)
class ModelRow:
    """A model that the atlas keeps. ``cells`` counts the embeddings made with it."""

    id: str
    file: str
    metadata: dict[str, Any]
    added: str
    active: bool
    cells: int


@dataclass(frozen=True)
class User:
    """A person who may label. ``password_hash`` is opaque to the atlas."""

    name: str
    full_name: str
    role: str
    password_hash: str | None
    added: str

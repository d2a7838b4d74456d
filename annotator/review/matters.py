"""What a review is about: one cell, or two that should be looked at together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from annotator.language import gettext as _

if TYPE_CHECKING:
    import numpy as np

    from annotator.pictures import Pictures
    from annotator.proposals import Proposals
    from index.atlas import Atlas
    from index.records import Cell

Key = tuple[int, int | None]
Look = Callable[["Cell"], "np.ndarray"]  # uint8 [S, S, 3]
Told = Callable[[float], None]  # how far a search has come, 0 to 1


@dataclass(frozen=True)
class Matter:
    """One or two cells, and why they should be looked at.

    ``worth`` orders a queue, largest first. ``why`` is an English sentence marked for the
    catalogue, with ``%(name)s`` for what ``told`` fills in; values that are codes of classes are
    told as ``class:CODE``.
    """

    cell_id: int
    other_id: int | None
    worth: float
    why: str
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """By which a matter is settled."""
        return self.cell_id, self.other_id

    @property
    def name(self) -> str:
        """How a matter is named in addresses: ``12`` or ``12-40``."""
        return str(self.cell_id) if self.other_id is None else f"{self.cell_id}-{self.other_id}"

    def sentence(self, class_name: Callable[[str], str]) -> str:
        """Why, in the reader's language."""
        values = {
            name: class_name(value[6:]) if str(value).startswith("class:") else value
            for name, value in self.told.items()
        }
        return _(self.why, **values)


@dataclass(frozen=True)
class Material:
    """What a search for matters works on; ``most`` cells at most, drawn with ``seed``.

    ``view`` shows a cell as the network sees it; None where the model does not say how.
    """

    atlas: Atlas
    proposals: Proposals
    pictures: Pictures
    seed: int = 0
    most: int = 20_000
    view: Look | None = None


Find = Callable[[Material, Told], Iterator[Matter]]

"""Cells chosen together, and the sheets they open as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from annotator.documents import named
from annotator.language import gettext as _
from annotator.language import ngettext
from annotator.problems import BadRequestError
from index.exploring import Selection, add_selection

if TYPE_CHECKING:
    from annotator.desk import Desk

MOST = 200_000


def ids_in(sent: Mapping[str, Any], name: str, least: int = 0) -> list[int]:
    """The list of cell ids in field ``name``. Raises BadRequestError."""
    value = sent.get(name, [])
    good = isinstance(value, list) and least <= len(value) <= MOST
    if not good or any(type(each) is not int or not 0 < each < 2**53 for each in value):
        raise BadRequestError(
            f"{name} is {str(value)[:40]!r}, allowed is a list of {least} to {MOST} ids of cells",
            f"send {name} as such a list",
        )
    return list(value)


def sheet_address(selection_id: str) -> str:
    """Where a selection is labelled."""
    return f"/sheets?selection={selection_id}"


def keep(
    desk: Desk,
    author: str,
    cell_ids: Sequence[int],
    *,
    origin: str,
    title: str,
    class_code: str | None = None,
) -> dict[str, Any]:
    """Keep cells as a selection; the document of it. Raises SelectionError, UnknownCellError."""
    kept = add_selection(
        desk.atlas, cell_ids, author, origin=origin, title=title, class_code=class_code
    )
    return selection_document(desk, kept)


def origin_words(kept: Selection) -> str:
    """Where a selection is from and how many cells it has, such as "Lasso on the map, 24 cells"."""
    where = {
        "map": _("Lasso on the map"),
        "cluster": _("Cells of %(name)s", name=kept.title),
        "spread": _("Spread as %(name)s", name=kept.title),
        "search": _("Search: %(name)s", name=kept.title)
        if kept.title
        else _("Cells found by a search"),
    }.get(kept.origin, _("Cells chosen"))
    count = len(kept.cell_ids)
    return ngettext("%(where)s, %(num)s cell", "%(where)s, %(num)s cells", count, where=where)


def selection_document(desk: Desk, kept: Selection) -> dict[str, Any]:
    """A selection for pages and API."""
    return {
        "id": kept.id,
        "author": kept.author,
        "origin": kept.origin,
        "title": kept.title,
        "class": named(desk.whole.taxonomy, kept.class_code),
        "total": len(kept.cell_ids),
        "time": kept.time,
        "sheet": sheet_address(kept.id),
    }

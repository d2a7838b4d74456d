"""Sharing out work: which reader reads which cells, and which cells two read. No Flask here."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from annotator.problems import BadRequestError
from index.atlas import Atlas
from index.records import CellFilter
from index.work import assign, assigned_cells

UNITS = ("cell", "slide", "patient")


def share_out(
    units: Sequence[Sequence[int]], readers: Sequence[str], overlap: float, seed: int = 0
) -> dict[str, list[int]]:
    """Deal the cells of ``units`` (a unit stays together) to ``readers``.

    Each unit goes to the reader with the fewest cells so far, largest units first. A random share
    ``overlap`` (0 to 1) of each unit's cells goes to a second reader as well, in turn to each of
    the others, so that every pair of readers shares about as many. With one reader nothing is
    shared.
    """
    drawn = random.Random(seed)
    dealt: dict[str, list[int]] = {reader: [] for reader in readers}
    second: dict[tuple[str, str], int] = {}
    owed = 0.0
    order = sorted(units, key=len, reverse=True)
    for unit in order:
        first = min(readers, key=lambda reader: (len(dealt[reader]), readers.index(reader)))
        dealt[first] += unit
        others = [reader for reader in readers if reader != first]
        owed += overlap * len(unit)
        count = min(int(owed + 1e-9), len(unit)) if others else 0
        owed -= count
        for cell in drawn.sample(list(unit), count):
            mate = min(others, key=lambda o: (second.get((first, o), 0), len(dealt[o])))
            second[first, mate] = second.get((first, mate), 0) + 1
            second[mate, first] = second.get((mate, first), 0) + 1
            dealt[mate].append(cell)
    return {reader: sorted(cells) for reader, cells in dealt.items()}


def assign_work(
    atlas: Atlas,
    scope: Mapping[str, str],
    readers: Sequence[str],
    *,
    overlap: float,
    unit: str = "cell",
    seed: int = 0,
    author: str,
) -> int:
    """Share out the cells of ``scope`` (dataset, patient, slide; any may be left out).

    ``overlap`` is 0 to 1. Cells that somebody has been assigned already are left out. Returns the
    number of the assignment. Raises BadRequestError, AssignmentError, UnknownDatasetError.
    """
    readers = list(dict.fromkeys(readers))
    if not readers:
        raise BadRequestError("no reader was chosen", "choose at least one")
    if unit not in UNITS:
        raise BadRequestError(
            f"unit is {unit!r}, allowed is one of {', '.join(UNITS)}", "give one of these"
        )
    if not 0 <= overlap <= 1:
        raise BadRequestError(
            f"overlap is {overlap!r}, allowed is a share from 0 to 1", "give overlap such a share"
        )
    if overlap and len(readers) < 2:
        raise BadRequestError(
            "an overlap needs two readers, one was chosen", "choose another, or overlap 0"
        )
    units = _units(atlas, scope, unit, assigned_cells(atlas))
    shares = share_out(units, readers, overlap, seed)
    told = {name: value for name, value in scope.items() if value}
    return assign(atlas, shares, scope=told, unit=unit, overlap=overlap, seed=seed, author=author)


def _units(atlas: Atlas, scope: Mapping[str, str], unit: str, taken: set[int]) -> list[list[int]]:
    """The free cells of ``scope``, in groups that stay together; in an order drawn evenly."""
    limit = CellFilter(
        **{
            f"{name}s": (scope[name],)  # type: ignore[arg-type]
            for name in ("dataset", "patient", "slide")
            if scope.get(name)
        }
    )
    if unit == "cell":
        return [[int(cell)] for cell in atlas.cell_ids(limit) if int(cell) not in taken]
    groups: dict[tuple[str, str], list[int]] = {}
    for cell in atlas.cells(limit):
        if cell.id not in taken:
            named = getattr(cell, unit) or ""
            groups.setdefault((cell.dataset, named), []).append(cell.id)
    return list(groups.values())

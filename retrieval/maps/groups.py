"""Which cells share a colour and a mark on a map: by class, data set or patient."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from index.taxonomy import Taxonomy

# Told apart with any common colour blindness: Okabe and Ito 2008, then darker and lighter ones.
PALETTE = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#332288", "#b8ad1c",
    "#882255", "#44aa99", "#7f5539", "#6f86d6",
)  # fmt: skip
NEUTRAL = "#8b949e"
MARKS = "os^DvPX*"
PLAIN = "o"
# From like the references (blue) to unlike them (red), visible on light and on dark ground.
RAMP = ((86, 134, 180), (150, 165, 170), (222, 190, 90), (222, 120, 30), (190, 30, 30))
COLOURS = ("class", "dataset", "patient", "novelty")


@dataclass(frozen=True)
class Group:
    """Cells of one colour and mark; ``count`` of them."""

    name: str
    colour: str
    mark: str
    count: int


@dataclass(frozen=True)
class Grouping:
    """``groups`` in display order, and the number of each cell's group, int [N]."""

    groups: tuple[Group, ...]
    of: np.ndarray


def by_class(table: pd.DataFrame, taxonomy: Taxonomy) -> Grouping:
    """By label, in the taxonomy's order and colours; subclasses share the mark of their class."""
    counts = Counter(table["label"])
    marks: dict[str, str] = {}
    groups: list[Group] = []
    number: dict[str | None, int] = {}
    for code in taxonomy.nodes:
        if code in counts:
            whole = taxonomy.at_level(code, "class") or code
            mark = marks.setdefault(whole, MARKS[len(marks) % len(MARKS)])
            node = taxonomy.node(code)
            number[code] = len(groups)
            groups.append(Group(node.name, node.colour, mark, counts[code]))
    if counts[None]:
        number[None] = len(groups)
        groups.append(Group("no label", NEUTRAL, PLAIN, counts[None]))
    return Grouping(tuple(groups), np.array([number[code] for code in table["label"]]))


def by_column(table: pd.DataFrame, column: str) -> Grouping:
    """By data set or patient: the twelve with most cells by name, the others together."""
    if column == "dataset":
        names = list(table["dataset"])
    else:
        several = table["dataset"].nunique() > 1
        names = [
            None if patient is None else f"{dataset}/{patient}" if several else str(patient)
            for dataset, patient in zip(table["dataset"], table[column], strict=True)
        ]
    counts = Counter(names)
    unknown = counts.pop(None, 0)
    shown = [name for name, _ in counts.most_common(len(PALETTE))]
    groups = [
        Group(name, PALETTE[place], MARKS[place % len(MARKS)], counts[name])
        for place, name in enumerate(sorted(shown))
    ]
    number: dict[str | None, int] = {group.name: place for place, group in enumerate(groups)}
    others = [name for name in counts if name not in number]
    if others:
        number |= dict.fromkeys(others, len(groups))
        total = sum(counts[name] for name in others)
        groups.append(Group(f"{len(others)} others", NEUTRAL, PLAIN, total))
    if unknown:
        number[None] = len(groups)
        groups.append(Group(f"no {column} known", NEUTRAL, PLAIN, unknown))
    return Grouping(tuple(groups), np.array([number[name] for name in names]))


def grouping(table: pd.DataFrame, taxonomy: Taxonomy, colour: str) -> Grouping:
    """The grouping that ``colour`` ("class", "dataset" or "patient") names."""
    return by_class(table, taxonomy) if colour == "class" else by_column(table, colour)

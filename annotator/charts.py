"""Small charts as SVG, made here and coloured by the style sheet, so that they suit light and dark.

Each carries its numbers in words (``role="img"`` with a label) and stands beside a table of them.
Imports no Flask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDE, HIGH = 440, 220  # of a chart of lines, in units of its view box
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 10, 44
INSET = 16  # of the first and the last point, so that no count stands beneath a share
MARKS = ("circle", "square", "diamond")


@dataclass(frozen=True)
class Series:
    """A line of points (x, y, low, high), y from 0 to 1; low and high bound it."""

    name: str
    points: Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True)
class Row:
    """A value with its interval (both None where unknown), named."""

    name: str
    value: float | None
    low: float | None
    high: float | None


def _floor(series: Sequence[Series]) -> float:
    """Where the axis of shares begins: at a quarter below the lowest, never above one half."""
    lowest = min((low for each in series for _x, _y, low, _high in each.points), default=0.0)
    return max(0.0, min(0.5, math.floor(4 * lowest) / 4))


def lines(series: Sequence[Series], across: str, *, log: bool = False) -> Markup:
    """Shares (up the side, in per cent) against a count (``across``), bounds as a band.

    ``log``: the count on a logarithmic scale. Empty where there is no point.
    """
    series = [each for each in series if each.points]
    if not series:
        return Markup("")
    xs = [x for each in series for x, *_rest in each.points]
    scale = math.log10 if log else float
    first, last = scale(min(xs)), scale(max(xs))
    floor = _floor(series)

    def place(x: float, y: float) -> tuple[float, float]:
        over = (scale(x) - first) / (last - first) if last > first else 0.5
        up = (y - floor) / (1 - floor)
        along = LEFT + INSET + over * (WIDE - LEFT - RIGHT - 2 * INSET)
        return (along, TOP + (1 - up) * (HIGH - TOP - BOTTOM))

    parts = [_grid(floor)]
    for tick in _ticks(sorted(set(xs)), lambda x: place(x, floor)[0]):
        at = place(tick, floor)
        parts.append(
            Markup(
                '<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
            ).format(at[0], at[1] + 20, f"{tick:,.0f}".replace(",", "\u202f"))
        )
    for number, each in enumerate(series):
        parts.append(_line(each, number, place))
    parts.append(
        Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (LEFT + WIDE - RIGHT) / 2, HIGH - 6, across
        )
    )
    return _svg(WIDE, HIGH, lines_in_words(series, across), parts)


def lines_in_words(series: Sequence[Series], across: str) -> str:
    """What a chart of lines shows, for who cannot see it."""
    return "; ".join(
        f"{each.name}: "
        + ", ".join(f"{100 * y:.0f} % · {x:,.0f} {across}" for x, y, _low, _high in each.points)
        for each in series
    )


def _grid(floor: float) -> Markup:
    parts = []
    step = 0.1 if floor >= 0.5 else 0.25
    for number in range(round((1 - floor) / step) + 1):
        share = 1 - number * step
        y = TOP + (1 - (share - floor) / (1 - floor)) * (HIGH - TOP - BOTTOM)
        parts.append(
            Markup(
                '<path class="grid" d="M{:.1f} {:.1f}H{}"/>'
                '<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{} %</text>'
            ).format(LEFT, y, WIDE - RIGHT, LEFT - 6, y + 4, round(100 * share))
        )
    return Markup("").join(parts)


def _ticks(xs: Sequence[float], place: Callable[[float], float]) -> list[float]:
    """Those of ``xs`` that have room for their number, the last always."""
    kept: list[float] = []
    for x in reversed(xs):
        if not kept or place(kept[-1]) - place(x) >= 44:
            kept.append(x)
    return kept[::-1]


def _line(each: Series, number: int, at: Callable[[float, float], tuple[float, float]]) -> Markup:
    upper = [at(x, high) for x, _y, _low, high in each.points]
    lower = [at(x, low) for x, _y, low, _high in each.points]
    middle = [at(x, y) for x, y, _low, _high in each.points]
    if len(middle) == 1:  # a band of no width would not be seen: the bounds as a bar
        upper, lower = ([(x - 2, y), (x + 2, y)] for ((x, y),) in (upper, lower))
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in middle)
    band = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in [*upper, *lower[::-1]]) + "Z"
    marks = Markup("").join(_mark(x, y, number) for x, y in middle)
    return Markup(
        '<g class="series-{}"><path class="band" d="{}"/><path class="line" d="{}"/>{}</g>'
    ).format(number, band, path, marks)


def _mark(x: float, y: float, number: int) -> Markup:
    """The mark of a point: series differ by shape, not by colour alone."""
    kind = MARKS[number % len(MARKS)]
    if kind == "circle":
        return Markup('<circle class="mark" cx="{:.1f}" cy="{:.1f}" r="3.4"/>').format(x, y)
    if kind == "square":
        return Markup('<rect class="mark" x="{:.1f}" y="{:.1f}" width="6.4" height="6.4"/>').format(
            x - 3.2, y - 3.2
        )
    return Markup('<path class="mark" d="M{:.1f} {:.1f}l4.4 4.4-4.4 4.4-4.4-4.4z"/>').format(
        x, y - 4.4
    )


def interval(row: Row, low: float = -0.5) -> Markup:
    """One value on a scale from ``low`` to 1 with its interval; an end below it has no stop."""
    if row.value is None:
        return Markup("")

    def x(value: float) -> float:
        return 4 + 192 * (min(1.0, max(low, value)) - low) / (1 - low)

    parts = [
        Markup('<path class="grid" d="M{:.1f} 2V18M{:.1f} 2V18"/>').format(x(0.0), x(1.0)),
        Markup('<path class="base" d="M4 10H196"/>'),
    ]
    words = f"{row.name}: {row.value:.2f}"
    if row.low is not None and row.high is not None:
        words += f" ({row.low:.2f} – {row.high:.2f})"
        stops = [end for end in (row.low, row.high) if end >= low]
        path = f"M{x(row.low):.1f} 10H{x(row.high):.1f}"
        path += "".join(f"M{x(end):.1f} 5v10" for end in stops)
        parts.append(Markup('<path class="span" d="{}"/>').format(path))
    parts.append(_mark(x(row.value), 10, 0))
    return _svg(200, 20, words, parts, "chart-interval")


def _svg(
    wide: float, high: float, words: str, parts: Sequence[Markup], kind: str = "chart-lines"
) -> Markup:
    return Markup(
        '<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(kind, wide, high, words, Markup("").join(parts))

"""``cellkin trial``: how fast a simulated reader labels the cells of an atlas, way by way."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted

_TIMES = ("single", "confirm", "glance", "cell", "correction")
_ERRORS = ("single", "follow", "miss", "alarm")


Reader = Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, float]]


def _pairs(names: tuple[str, ...], most: float) -> Reader:
    """A callback that reads NAME=NUMBER, given any number of times."""
    limit = "0 or more" if most == math.inf else f"0 to {most:g}"

    def read(
        ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
    ) -> dict[str, float]:
        found = {}
        for text in given:
            name, _, value = text.partition("=")
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if name not in names or not 0 <= number <= most:
                raise click.BadParameter(
                    f"{text!r}, allowed is NAME=NUMBER with NAME one of {', '.join(names)} and "
                    f"NUMBER {limit}"
                )
            found[name] = number
        return found

    return read


@click.command()
@atlas_argument
@click.option("--dataset", metavar="NAME", help="only cells of this data set")
@click.option("--cells", type=click.IntRange(50), help="that many, drawn at random  [default: all]")
@click.option("--way", "ways", multiple=True, metavar="NAME",
              help="only this way of working; may be repeated  [default: all]")  # fmt: skip
@click.option("--target", type=click.FloatRange(0.5, 0.999), default=0.99, show_default=True,
              help="accuracy to reach, and precision asked of sheets")  # fmt: skip
@click.option("--readers", type=click.IntRange(1, 100), default=3, show_default=True,
              help="simulated readers, each with a seed of its own")  # fmt: skip
@click.option("--seconds", multiple=True, metavar="NAME=SECONDS", callback=_pairs(_TIMES, math.inf),
              help="another time for single, confirm, glance, cell or correction")  # fmt: skip
@click.option("--chance", multiple=True, metavar="NAME=SHARE", callback=_pairs(_ERRORS, 1.0),
              help="another probability of single, follow, miss or alarm")  # fmt: skip
@click.option("--sensitivity/--no-sensitivity", default=True, show_default=True,
              help="also try other times and other readers")  # fmt: skip
@click.option("--out", type=GivenPath(), help="folder for trial.json and trial.png")
@setting_option("seed")
@json_option
def command(
    atlas: str,
    dataset: str | None,
    cells: int | None,
    ways: tuple[str, ...],
    target: float,
    readers: int,
    seconds: dict[str, float],
    chance: dict[str, float],
    sensitivity: bool,
    out: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Measure how fast the labelled cells of ATLAS could have been labelled, and how well.

    Their labels are hidden; a simulated reader with stated times and errors labels them anew from
    nothing, through the sheets and queues of the annotator and through other ways of working. It
    works on a temporary atlas and changes nothing in ATLAS.
    """
    from annotator.trial import WAYS, draw_cells
    from annotator.trial.reader import Errors, Times
    from annotator.trial.report import write
    from annotator.trial.run import Plan, document, hold
    from index import Atlas
    from retrieval.writing import check_folder

    unknown = [name for name in ways if name not in WAYS]
    if unknown:
        raise click.UsageError(f"way {unknown[0]!r} is not one of {', '.join(WAYS)}")
    if out is not None:
        check_folder(Path(out), "a trial")
    plan = Plan(
        ways=ways or tuple(WAYS),
        readers=readers,
        times=Times(**seconds),
        errors=Errors(**chance),
        target=target,
        seed=seed,
        sensitivity=sensitivity,
    )
    with Atlas.open(atlas) as opened:
        drawn = draw_cells(opened, dataset, cells, seed)
    held = hold(drawn, plan, lambda said: tell(said, err=True))
    found = document(held) if out is None else write(held, Path(out))
    if as_json:
        print_json(found)
    else:
        _show(found, out)


def _show(found: dict[str, Any], out: str | None) -> None:
    from annotator.trial.report import HEAD, error_rows, rows, time_rows

    tell(
        f"{counted(found['cells'], 'cell')} of "
        f"{counted(len(found['classes']), 'class', 'classes')}, no label to begin"
    )
    _table([list(HEAD), *rows(found)])
    if any(not each["reached"] for each in found["ways"].values()):
        tell(f"* not {found['target']:g} right with every reader")
    if found["sensitivity"]["errors"]:
        tell()
        tell("sheets, with readers who are otherwise:")
        _table([list(HEAD), *error_rows(found)])
    if found["sensitivity"]["times"]:
        tell()
        tell("times one by one, if:")
        _table([["", *found["ways"]], *time_rows(found)])
    if out is not None:
        tell()
        tell(f"all figures and the curve: {Path(out)}")


def _table(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        tell("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

"""``cellkin agreement``: how far the readers of an atlas agree."""

from __future__ import annotations

from typing import Any

import click

from cellkin.options import atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted

MEASURES = {
    "fleiss": "Fleiss' kappa",
    "krippendorff": "Krippendorff's alpha",
    "cohen": "Cohen's kappa",
}


@click.command()
@atlas_argument
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="only this data set")
@click.option("--reader", "readers", multiple=True, metavar="NAME",
              help="only these readers; give it twice or more")  # fmt: skip
@setting_option("level")
@click.option("--independent", is_flag=True,
              help="only labels given without proposal or another's label in sight")  # fmt: skip
@click.option("--by", "unit", type=click.Choice(["cell", "patient"]), default="cell",
              show_default=True, help="what is drawn for the intervals")  # fmt: skip
@click.option("--draws", type=click.IntRange(0), default=1000, show_default=True,
              help="draws of the bootstrap; 0 leaves the intervals out")  # fmt: skip
@setting_option("seed")
@json_option
def command(
    atlas: str,
    datasets: tuple[str, ...],
    readers: tuple[str, ...],
    level: str,
    independent: bool,
    unit: str,
    draws: int,
    seed: int,
    as_json: bool,
) -> None:
    """Say how far the readers of ATLAS agree beyond chance, with 95% intervals.

    Cells that two authors or more have labelled count. Along the maturation line (blast,
    promyelocyte, myelocyte, metamyelocyte, band, segmented) a disagreement also weighs by how far
    apart the two stages are.
    """
    from index import Atlas
    from retrieval.evaluation.readings import as_document, figures, read

    with Atlas.open(atlas) as opened:
        found = read(
            opened, level=level, datasets=datasets, readers=readers, independent=independent
        )
        order = list(opened.taxonomy.nodes)
    told = as_document(found, figures(found, unit=unit, draws=draws, seed=seed), order)
    told = {"level": level, "independent": independent, "unit": unit, "seed": seed, **told}
    if as_json:
        print_json(told)
    else:
        show(told)


def show(told: dict[str, Any]) -> None:
    """Print what was found, for a person."""
    if not told["cells"]:
        tell("no cell has been read by two readers")
        return
    tell(f"{counted(told['cells'], 'cell')} read by two readers or more; intervals are 95%")
    for reader in told["readers"]:
        tell(f"reader  {reader['name']}: {counted(reader['cells'], 'cell')}")
    tell()
    tell(f"{'measure':30}{'over':12}{'weights':11}{'value':>7}  {'interval':15}"
               f"{'alike':>7}{'cells':>8}  readers")  # fmt: skip
    for row in told["figures"]:
        tell(
            f"{MEASURES[row['measure']]:30}{row['scope']:12}{row['weights']:11}"
            f"{_number(row['value']):>7}  "
            f"{_span(row['interval']):15}"
            f"{_percent(row['same']):>7}{row['cells']:>8,}  "
            f"{' and '.join(row['readers']) if row['measure'] == 'cohen' else 'all'}"
        )
    tell()
    for each in told["confusions"]:
        total = sum(map(sum, each["counts"]))
        tell(f"{each['reader']} says what the consensus says of {_percent(each['share'])} "
                   f"of {counted(total, 'cell')}")  # fmt: skip
        for truth, row in zip(each["classes"], each["counts"], strict=True):
            wrong = {c: n for c, n in zip(each["classes"], row, strict=True) if n and c != truth}
            for code, count in sorted(wrong.items(), key=lambda item: -item[1]):
                tell(f"  {truth} called {code}: {count:,}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(interval: dict[str, Any] | None) -> str:
    return "-" if interval is None else f"{interval['low']:.3f} to {interval['high']:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"

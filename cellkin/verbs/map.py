"""``cellkin map``: draw the atlas as a UMAP map."""

from __future__ import annotations

from pathlib import Path

import click

from cellkin.options import GivenPath, atlas_argument, setting_option
from cellkin.telling import tell
from index.wording import counted


@click.command()
@atlas_argument
@click.option("--out", type=GivenPath(), required=True, help="PNG file to write")
@click.option("--html", type=GivenPath(), help="also write a page that shows each cell")
@click.option(
    "--colour",
    type=click.Choice(["class", "dataset", "patient", "novelty"]),
    default="class",
    show_default=True,
    help="what the colours mean; on the page it can be changed",
)
@click.option(
    "--fit/--place",
    "anew",
    default=None,
    help="fit a new map and keep it, or place the cells on the kept one; by default the kept "
    "one is used where there is one",
)
@click.option("--most", type=click.IntRange(10, 20_000), default=4000, show_default=True,
              help="cells shown on the page, each with its picture")  # fmt: skip
@setting_option("seed")
def command(
    atlas: str, out: str, html: str | None, colour: str, anew: bool | None, most: int, seed: int
) -> None:
    """Draw the embedded cells of ATLAS as a map on which alike cells lie close.

    The fitted map is kept in the atlas, so that cells added later find their place among the
    old ones, which stay where they were. Fitting takes seconds for a thousand cells and a minute
    or two for ten thousand.
    """
    from index import Atlas
    from retrieval.maps import draw_map, map_atlas, write_page
    from retrieval.writing import check_file

    check_file(Path(out), "a PNG file")
    if html is not None:
        check_file(Path(html), "an HTML file", "--html")
    with Atlas.open(atlas) as opened:
        drawn = map_atlas(
            opened,
            fitted_anew=anew,
            novelty=html is not None or colour == "novelty",
            seed=seed,
        )
        draw_map(drawn, opened.taxonomy, Path(out), colour=colour)
        placed = int(drawn.placed.sum())
        said = f", {placed:,} placed on the kept map" if placed else ""
        tell(f"{counted(len(drawn.coordinates), 'cell')}{said}: {out}")
        if html is not None:
            shown = write_page(opened, drawn, Path(html), colour=colour, most=most, seed=seed)
            size = Path(html).stat().st_size / 1e6
            cells = counted(shown, "cell with its picture", "cells with their pictures")
            tell(f"{cells}, {size:.1f} MB: {html}")

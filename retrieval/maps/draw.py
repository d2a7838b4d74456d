"""A map as a PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap

from index.taxonomy import Taxonomy
from retrieval.evaluation.style import INK, LINE, QUIET, figure, save
from retrieval.maps.atlas_map import AtlasMap
from retrieval.maps.groups import COLOURS, RAMP, grouping
from retrieval.maps.layout import MapError

_RAMP = LinearSegmentedColormap.from_list("novelty", np.array(RAMP) / 255)


def draw_map(drawn: AtlasMap, taxonomy: Taxonomy, path: Path, *, colour: str = "class") -> None:
    """Draw ``drawn`` coloured by ``colour`` (one of COLOURS) into the PNG ``path``.

    Cells that were placed on an older map have a dark rim. Raises MapError, WriteError.
    """
    check_colour(drawn, colour)
    count = len(drawn.coordinates)
    size = float(np.clip(9000 / count, 7, 46))
    with figure(10.5, 7.6) as (made, axes):
        if colour == "novelty" and drawn.novelty is not None:
            # the most novel on top, where they are few and matter
            order = np.argsort(drawn.novelty, kind="stable")
            x, y = drawn.coordinates[order].T
            shown = axes.scatter(
                x, y, c=drawn.novelty[order], s=size, cmap=_RAMP, vmin=0, vmax=1, lw=0
            )
            made.colorbar(shown, ax=axes, shrink=0.5, label="novelty: 0 like the references, 1 not")
        else:
            _scatter_groups(axes, drawn, taxonomy, colour, size)
        if drawn.placed.any():
            x, y = drawn.coordinates[drawn.placed].T
            axes.scatter(x, y, s=size * 1.6, facecolors="none", edgecolors=INK, lw=0.6)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set(color=LINE, visible=True)
        axes.set_title(f"Map of {count:,} cells by {_WORDS[colour]}")
        note = "UMAP: near means alike; distances between far islands mean little"
        if drawn.placed.any():
            note += f". {int(drawn.placed.sum()):,} cells with a dark rim were placed later"
        axes.set_xlabel(note, color=QUIET, fontsize=8, loc="left")
        save(made, path)


_WORDS = {"class": "class", "dataset": "data set", "patient": "patient", "novelty": "novelty"}


def check_colour(drawn: AtlasMap, colour: str) -> None:
    """Raise MapError unless ``drawn`` can be coloured by ``colour``."""
    if colour not in COLOURS:
        raise MapError(
            f"colour is {colour!r}, allowed is one of {', '.join(COLOURS)}", "give one of these"
        )
    if colour == "novelty" and drawn.novelty is None:
        raise MapError(
            "novelty needs references and the atlas has no labelled cell",
            "import labels first, or colour by dataset",
        )


def _scatter_groups(
    axes: Axes, drawn: AtlasMap, taxonomy: Taxonomy, colour: str, size: float
) -> None:
    found = grouping(drawn.table, taxonomy, colour)
    # large groups first, so that small ones are not covered; the legend keeps the display order
    handles = {}
    rim = 0.3 if size > 10 else 0.0  # around small marks a rim would drown their colour
    for number in sorted(range(len(found.groups)), key=lambda n: -found.groups[n].count):
        group = found.groups[number]
        x, y = drawn.coordinates[found.of == number].T
        handles[number] = axes.scatter(
            x, y, s=size, c=group.colour, marker=group.mark, edgecolors=QUIET, lw=rim,
            label=f"{group.name}  {group.count:,}",
        )  # fmt: skip
    legend = axes.legend(
        handles=[handles[number] for number in range(len(found.groups))],
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8.5, labelspacing=0.7,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([42])

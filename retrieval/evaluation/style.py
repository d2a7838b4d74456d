"""One look for every figure: opaque paper white, so that it reads on light and on dark pages."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from retrieval.writing import write_whole

PAPER, INK, QUIET, LINE = "#fbfbfa", "#1c2127", "#5c6670", "#d7dbdf"
# Okabe and Ito 2008: told apart with any common colour blindness.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
DPI = 150

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelcolor": INK,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
}


@contextmanager
def figure(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of ``width`` x ``height`` inches with one pair of axes, in the common look."""
    with matplotlib.rc_context(_RC):
        made = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(made)
        yield made, made.add_subplot()


def save(made: Figure, path: Path) -> None:
    """Write ``made`` as PNG; the file appears whole or not at all."""
    held = io.BytesIO()
    # no Software entry: the same figures give the same bytes
    made.savefig(held, format="png", dpi=DPI, metadata={"Software": None})
    write_whole(path, held.getvalue())


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write ``picture`` as PNG; the file appears whole or not at all."""
    held = io.BytesIO()
    picture.save(held, format="PNG", optimize=True)
    write_whole(path, held.getvalue())

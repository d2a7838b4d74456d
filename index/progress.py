"""Progress of long work on standard error, with rate and time left."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from index.wording import printable

Item = TypeVar("Item")


def progress_bar(total: int | None, what: str, unit: str = "cell") -> tqdm:
    """A bar to ``update(n)`` and ``close()``; a line every ten seconds where no one watches."""
    watched = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=printable(what),
        unit=f" {unit}s",
        file=sys.stderr,
        mininterval=0.2 if watched else 10.0,
        ascii=None if watched else True,
        dynamic_ncols=watched,
        delay=1.0,
    )


def track(
    items: Iterable[Item], total: int | None, what: str, unit: str = "cell"
) -> Iterator[Item]:
    """Yield ``items`` while a bar named ``what`` counts them."""
    with progress_bar(total, what, unit) as bar:
        for item in items:
            yield item
            bar.update(1)

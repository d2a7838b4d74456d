"""``cellkin backup``: a consistent copy of an atlas."""

from __future__ import annotations

from pathlib import Path

import click

from cellkin.options import GivenPath, atlas_argument
from cellkin.telling import tell


@click.command()
@atlas_argument
@click.argument("target", type=GivenPath(path_type=Path))
def command(atlas: str, target: Path) -> None:
    """Copy ATLAS to TARGET, whole and consistent, also while others write to it.

    TARGET is a new folder: an existing one is never overwritten. The copy is opened like any
    atlas. Pictures that were left where they are (import without --copy) are not in it.
    """
    from index import Atlas

    with Atlas.open(atlas) as opened:
        opened.backup(target)
    tell(f"copied {atlas} to {target}")

"""The one way in which verbs write for a person; a program reads ``cellkin.options.print_json``."""

from __future__ import annotations

import click

from index.wording import printable


def tell(line: str = "", *, err: bool = False) -> None:
    """Print one line on standard output, or on standard error: no name in it can add another."""
    click.echo(printable(line), err=err)

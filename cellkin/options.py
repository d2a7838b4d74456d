"""Options that several verbs share, built from the one table of settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import click

from index.settings import SETTINGS, setting
from index.wording import printable_json

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def setting_option(
    name: str, *flags: str, default: Any = None, what: str | None = None
) -> Decorator:
    """A click option for setting ``name``; flags default to ``--name``.

    Where a verb means its own by it, ``default`` is that in place of the setting's and of the
    environment's, and ``what`` its help.

    The value is parsed by the settings table, so its errors and its environment variable are the
    same here and in the annotator.
    """
    entry = SETTINGS[name]

    def parse(ctx: click.Context, param: click.Parameter, given: str | bool | None) -> Any:
        return setting(name, default if given is None else given)

    if isinstance(entry.default, bool):
        shown = name if entry.default else f"no-{name}"
        return click.option(
            f"--{name.replace('_', '-')}/--no-{name.replace('_', '-')}",
            name,
            default=None,
            callback=parse,
            help=f"{entry.help}  [default: {shown.replace('_', '-')}; env: {entry.variable}]",
        )
    return click.option(
        *(flags or (f"--{name.replace('_', '-')}",)),
        name,
        default=None,
        callback=parse,
        metavar="|".join(entry.choices) if entry.choices else type(entry.default).__name__.upper(),
        help=f"{what or entry.help}  [default: {entry.default}; env: {entry.variable}]"
        if default is None
        else f"{what or entry.help}  [default: {default}]",
    )


class GivenPath(click.Path):
    """A path that is not empty: an empty one, as of a variable not set, is the folder one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path ``value``; a wrong use of the command line where it is empty."""
        if not os.fspath(value):
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


atlas_argument = click.argument("atlas", type=GivenPath())

json_option = click.option("--json", "as_json", is_flag=True, help="print JSON for a program")


def print_json(value: object) -> None:
    """Print ``value`` as JSON on standard output."""
    click.echo(printable_json(json.dumps(value, indent=2, ensure_ascii=False)))

"""Write the generated pages: docs/cli.md from the verbs' help, docs/settings.md from the table.

Run by ``make docs``; tests/test_docs.py fails when a page is out of date.
"""

from __future__ import annotations

from pathlib import Path

import click

from cellkin.main import VERBS, cli
from index.settings import SETTINGS

DOCS = Path(__file__).resolve().parent
WIDTH = 96


def help_text(command: click.Command, name: str) -> str:
    """What ``name --help`` prints, at a fixed width."""
    context = click.Context(
        command,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context).rstrip()


def cli_page() -> str:
    """docs/cli.md: the help of ``cellkin`` and of every verb."""
    parts = [
        "# The command line",
        "Made by `make docs` from the program's own help; do not edit.",
        "Results go to standard output, progress and notes to standard error. A failure is one "
        "line on standard error, `cellkin: what was wrong; what to do`, and a status that is not "
        "0: 1 for a problem with what was given, 2 for a wrong use of the command line, 130 when "
        "stopped by Ctrl-C, 70 for a fault of CellKin itself. `CELLKIN_DEBUG=1` shows where it "
        "came from. [errors.md](errors.md) lists the problems one by one.",
        f"## cellkin\n\n```text\n{help_text(cli, 'cellkin')}\n```",
    ]
    context = click.Context(cli)
    for verb, (_, line) in VERBS.items():
        command = cli.get_command(context, verb)
        if command is None:
            raise RuntimeError(f"the verb {verb} has no command")
        text = help_text(command, f"cellkin {verb}")
        parts.append(f"## cellkin {verb}\n\n{line[0].upper()}{line[1:]}.\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def settings_page() -> str:
    """docs/settings.md: the table of settings."""
    rows = [
        f"| `{entry.name}` | {entry.help} | `{entry.default}` | {entry.allowed} "
        f"| `{entry.variable}` |"
        for entry in SETTINGS.values()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Made by `make docs` from `index/settings.py`; do not edit.",
            "",
            "One table serves the command line, the annotator and this page. A value is taken, in "
            "this order, from the option of the command line (where the verb has it), from the "
            "environment variable, and from the default.",
            "",
            "| setting | meaning | default | allowed | environment variable |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES = {"cli.md": cli_page, "settings.md": settings_page}


def main() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()

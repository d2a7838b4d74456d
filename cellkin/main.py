"""The one command, ``cellkin``: finds the verb, runs it, turns errors into one line."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

from cellkin import __version__
from cellkin.telling import tell
from index.errors import CellKinError

# verb -> (module under cellkin.verbs, one line for --help). A verb's module is imported only when
# it is called, so that --help needs neither torch nor Flask. Each module offers `command`.
VERBS: dict[str, tuple[str, str]] = {
    "import": ("import_", "add cells from a folder, a table or a published data set"),
    "fetch": ("fetch", "download a public data set"),
    "embed": ("embed", "embed what has no embedding yet and bring the index up to date"),
    "train": ("train", "learn a new embedding from the labels"),
    "query": ("query", "the nearest reference cells of a picture"),
    "adapt": ("adapt", "fit the atlas to a laboratory from its few labels, in seconds"),
    "classify": ("classify", "a proposal for every cell of a folder, without adding it"),
    "trust": ("trust", "how far to trust the answers on one data set"),
    "evaluate": ("evaluate", "measure retrieval, classification and calibration"),
    "agreement": ("agreement", "how far readers agree, with intervals"),
    "map": ("map", "draw the atlas as a UMAP map"),
    "trial": ("trial", "measure how fast a simulated reader labels, way by way"),
    "annotate": ("annotate", "label cells in the browser, with evidence"),
    "export": ("export", "labelled cells in a format that others read"),
    "take": ("take", "labels from a format that others write"),
    "taxonomy": ("taxonomy", "show the classes, or add one"),
    "info": ("info", "what an atlas holds"),
    "backup": ("backup", "a consistent copy of an atlas"),
    "demo": ("demo", "the whole path on sample cells, then the annotator"),
}


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what a full disk says


class VerbGroup(click.Group):
    """A click group that imports a verb's module when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"cellkin.verbs.{VERBS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # click ends with status 1 when the reader of a pipe leaves, as `| head` does: no failure.
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:  # None where it was closed before the start
                sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            return 0
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


def _is_of_output(error: OSError) -> bool:
    """Whether ``error`` is of standard output: that cannot be written now either."""
    if error.filename is not None or error.errno not in FULL or sys.stdout is None:
        return False
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _drop_output() -> None:
    """Let what is still to be written to standard output go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.command(
    cls=VerbGroup,
    no_args_is_help=True,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="cellkin")
def cli() -> None:
    """Find, name and label white blood cells by their nearest labelled relatives.

    CellKin is a research tool, not a diagnostic device.
    """


def fail(message: str, status: int) -> None:
    """Print one line on standard error and leave with ``status``."""
    tell(f"cellkin: {' '.join(message.split())}", err=True)
    sys.exit(status)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every failure is one line and a non-zero exit status."""
    try:
        status = cli.main(args=arguments, prog_name="cellkin", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(0)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "cellkin"
        fail(f"{error.format_message().rstrip('.')}; see '{where} --help'", 2)
    except click.ClickException as error:
        fail(error.format_message(), 1)
    except CellKinError as error:
        if os.environ.get("CELLKIN_DEBUG"):
            raise
        fail(str(error), 1)
    except (KeyboardInterrupt, click.Abort):
        fail("stopped; what was finished is kept, run the same command again to go on", 130)
    except Exception as error:
        if isinstance(error, OSError) and _is_of_output(error):
            _drop_output()
            fail(
                f"standard output cannot be written: {error.strerror}; send it to a place with "
                "room, what the command keeps elsewhere is there",
                1,
            )
        if os.environ.get("CELLKIN_DEBUG"):
            raise
        fail(
            f"internal error: {type(error).__name__}: {error}; "
            "set CELLKIN_DEBUG=1 to see where, and report it",
            70,
        )

"""``cellkin annotate``: label cells in the browser, with evidence."""

from __future__ import annotations

from pathlib import Path

import click

from cellkin.options import atlas_argument, setting_option
from cellkin.telling import tell


@click.command()
@atlas_argument
@setting_option("host")
@setting_option("port")
@click.option("--author", metavar="NAME", help="who labels  [default: the user logged in]")
@click.option("--dataset", metavar="NAME", help="queue only cells of this data set")
@click.option(
    "--accounts/--no-accounts",
    default=None,
    help="everybody signs in  [default: if the atlas has an owner]",
)
@setting_option("k", "-k")
@setting_option("page_size")
@setting_option("planted")
@setting_option("target")
@setting_option("adapt")
@setting_option("adapt_after")
def command(
    atlas: str,
    host: str,
    port: int,
    author: str | None,
    dataset: str | None,
    accounts: bool | None,
    k: int,
    page_size: int,
    planted: float,
    target: float,
    adapt: bool,
    adapt_after: int,
) -> None:
    """Label the cells of ATLAS in the browser.

    A queue of unlabelled cells, most worth a look first, each with a proposal and the neighbours
    it rests on. Every label is on disk before the page says so. Stop with Ctrl-C; nothing is lost.

    From the labels of a data set its other cells are proposed better: after each --adapt-after of
    them the proposals are adapted to it in the background. The pages say on what they rest.

    Only this machine can reach the pages unless --host says otherwise. With --accounts everybody
    signs in; the first time, a link is printed by which the first owner joins, who invites others.
    """
    from annotator.config import AnnotatorConfig, default_author
    from annotator.serve import serve

    config = AnnotatorConfig(
        atlas=Path(atlas),
        author=(author or "").strip() or default_author(),
        dataset=dataset,
        host=host,
        port=port,
        k=k,
        page_size=page_size,
        accounts=accounts,
        planted=planted,
        target=target,
        adapt=adapt,
        adapt_after=adapt_after,
    )

    def announce(address: str, warning: str | None, accounts_on: bool) -> None:
        if warning:
            tell(f"warning: {warning}", err=True)
        readers = "all who have an account" if accounts_on else config.author
        tell(f"CellKin annotator for {readers} at {address}")
        tell("stop with Ctrl-C; every label is on disk already", err=True)

    def invite(address: str) -> None:
        tell(f"nobody owns this atlas yet; the first owner joins once at {address}")

    serve(config, announce, invite)

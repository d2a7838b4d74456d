"""``cellkin annotate``: label cells in the browser, with evidence."""

from __future__ import annotations

from pathlib import Path

import click

from cellkin.options import atlas_argument, setting_option


@click.command()
@atlas_argument
@setting_option("host")
@setting_option("port")
@click.option("--author", metavar="NAME", help="who labels  [default: the user logged in]")
@click.option("--dataset", metavar="NAME", help="queue only cells of this data set")
@setting_option("k", "-k")
@setting_option("page_size")
def command(
    atlas: str,
    host: str,
    port: int,
    author: str | None,
    dataset: str | None,
    k: int,
    page_size: int,
) -> None:
    """Label the cells of ATLAS in the browser.

    A queue of unlabelled cells, most worth a look first, each with a proposal and the neighbours
    it rests on. Every label is on disk before the page says so. Stop with Ctrl-C; nothing is lost.

    Only this machine can reach the pages unless --host says otherwise.
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
    )

    def announce(address: str, warning: str | None) -> None:
        if warning:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"CellKin annotator for {config.author} at {address}")
        click.echo("stop with Ctrl-C; every label is on disk already", err=True)

    serve(config, announce)

"""``cellkin fetch``: download a public data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cellkin.options import GivenPath, json_option, print_json
from cellkin.telling import tell

if TYPE_CHECKING:
    from retrieval.reading.public import PublicSet, RemoteFile


@click.command()
@click.argument("name", required=False)
@click.option("--to", metavar="FOLDER", type=GivenPath(), default="data", show_default=True,
              help="where the folder NAME is made")  # fmt: skip
@click.option("--from", "mirror", metavar="URL", help="take the files from a mirror")
@click.option("--show", is_flag=True, help="say what it is and where it lies; download nothing")
@json_option
def command(name: str | None, to: str, mirror: str | None, show: bool, as_json: bool) -> None:
    """Download the public data set NAME; without NAME, list those there are.

    Licence, size and citation are shown first. An interrupted download goes on where it stopped,
    every file is verified against the publisher's checksum where one is published, archives are
    unpacked. Licences differ: they bind you, whatever you do with the pictures.
    """
    from retrieval.reading.fetch import fetch, moved
    from retrieval.reading.public import public_set, public_sets

    if name is None:
        _list(public_sets(), as_json)
        return
    chosen = public_set(name)
    if mirror is not None:
        chosen = moved(chosen, mirror)
    if show:
        _describe(chosen, list(chosen.files), err=False)
        return
    # With --json, standard output is for the program alone.
    report = fetch(chosen, to, before=lambda what, files: _describe(what, files, err=as_json))
    if as_json:
        print_json(report.as_dict())
        return
    for row in report.files:
        tell(f"{row['name']}: sha256 {row['sha256']}")
    tell(f"next: cellkin import ATLAS {report.source} --dataset {chosen.name}")


def _list(sets: dict[str, PublicSet], as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"name": each.name, "title": each.title, "holds": each.holds,
                 "page": each.page, "licence": each.licence, "citation": each.citation}
                for each in sets.values()
            ]
        )  # fmt: skip
        return
    width = max(map(len, sets))
    for each in sets.values():
        tell(f"{each.name:{width}}  {each.title}")


def _describe(chosen: PublicSet, files: list[RemoteFile], *, err: bool) -> None:
    from retrieval.reading.download import checksum_words

    tell(chosen.title, err=err)
    for what in ("holds", "page", "licence", "citation"):
        tell(f"  {what.replace('citation', 'cite'):9} {getattr(chosen, what)}", err=err)
    for file in files:
        size = f"{file.size / 1e6:,.0f} MB" if file.size else file.about or "size told by server"
        tell(f"  file      {file.name}, {size}, checksum {checksum_words(file)}", err=err)
        tell(f"            {file.url}", err=err)
    if not files:
        tell("  files     listed by the page when fetched, with their checksums", err=err)

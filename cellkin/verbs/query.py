"""``cellkin query``: the nearest reference cells of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellkin.options import (
    Decorator,
    GivenPath,
    atlas_argument,
    json_option,
    print_json,
    setting_option,
)
from cellkin.telling import tell

if TYPE_CHECKING:
    from retrieval.answers.query import QueryResult


def _many(flag: str, name: str, what: str) -> Decorator:
    return click.option(flag, name, multiple=True, metavar="NAME", help=f"{what}; repeatable")


@click.command()
@atlas_argument
@click.argument("images", nargs=-1, required=True, type=GivenPath(path_type=Path))
@setting_option("k", "-k", "--k", default=10, what="neighbours to show")
@_many("--dataset", "datasets", "only references of this data set")
@_many("--not-dataset", "not_datasets", "no reference of this data set")
@_many("--patient", "patients", "only references of this patient, also as dataset/name")
@_many("--not-patient", "not_patients", "no reference of this patient, also as dataset/name")
@_many("--not-slide", "not_slides", "no reference of this slide, also as dataset/name")
@_many("--split", "splits", "only references of this split, such as train")
@_many("--class", "classes", "only references of this class or below it, by any of its names")
@_many("--author", "authors", "only references whose label this author gave")
@click.option("--not-same", is_flag=True, help="leave out references of exactly the same pixels")
@click.option(
    "--montage", type=GivenPath(path_type=Path), help="PNG file to draw query and neighbours into"
)
@setting_option("batch_size")
@setting_option("workers")
@json_option
def command(
    atlas: str,
    images: tuple[Path, ...],
    k: int,
    not_same: bool,
    montage: Path | None,
    batch_size: int,
    workers: int,
    as_json: bool,
    **limits: tuple[str, ...],
) -> None:
    """Show the labelled cells of ATLAS nearest to each of IMAGES.

    Distance is 1 - cosine similarity of the embeddings: 0 for the same picture, 1 for unrelated
    ones. Pictures that cannot be read are reported; the others are answered.
    """
    from index import Atlas
    from retrieval.answers.montage import MOST, write_montage
    from retrieval.answers.query import nearest, query_limits
    from retrieval.writing import check_file

    if montage is not None:
        check_file(montage, "a PNG file", "--montage")
    drawn = 0
    with Atlas.open(atlas) as opened:
        results = list(
            nearest(
                opened,
                images,
                k=k,
                limits=query_limits(opened, **limits),
                leave_out_same=not_same,
                batch_size=batch_size,
                workers=workers,
            )
        )
        if montage is not None:
            drawn = write_montage(opened, results, montage)
    if as_json:
        print_json([result.as_dict() for result in results])
    else:
        for result in results:
            _show(result)
    answered = [result for result in results if result.error is None]
    for result in results:
        if result.error is not None:
            tell(f"passed over {result.file}: {result.error}", err=True)
    if not answered:
        raise click.ClickException("no picture could be read; give JPEG, PNG or TIFF files")
    if montage is not None:
        rest = f", the first {MOST} of {len(answered)} pictures" if len(answered) > drawn else ""
        tell(f"montage written to {montage}{rest}", err=True)


def _show(result: QueryResult) -> None:
    if result.error is not None:
        return
    tell(result.file)
    tell(f"  {'distance':>8}  {'similarity':>10}  {'class':24}  {'author':12}  from")
    for each in result.neighbours:
        origin = "  ".join(
            [
                each.dataset,
                *([f"patient {each.patient}"] if each.patient else []),
                *([f"slide {each.slide}"] if each.slide else []),
                each.file,
                f"(cell {each.cell_id})",
            ]
        )
        tell(
            f"  {each.distance:8.4f}  {each.similarity:10.4f}  {each.class_code:24}  "
            f"{each.author:12}  {origin}"
        )

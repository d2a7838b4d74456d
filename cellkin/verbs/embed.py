"""``cellkin embed``: embed what has no embedding yet and bring the index up to date."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted

if TYPE_CHECKING:
    from index import Atlas


@click.command(name="embed")
@atlas_argument
@click.option(
    "--model",
    "model_file",
    type=GivenPath(),
    help="a model file to make the atlas's active one first; its old embeddings are kept",
)
@setting_option("batch_size")
@setting_option("workers")
@json_option
def command(
    atlas: str, model_file: str | None, batch_size: int, workers: int, as_json: bool
) -> None:
    """Embed every cell of ATLAS that has no embedding yet under the atlas's model.

    An atlas without a model takes the one that ships with CellKin. Stopping keeps what is done;
    the same command goes on from there. Files that are missing or were changed since they were
    imported are reported and passed over.
    """
    from index import Atlas
    from retrieval.embedding import embed_atlas
    from retrieval.model import register_model

    with Atlas.open(atlas) as opened:
        if model_file is not None:
            register_model(opened, Path(model_file))
        start = time.perf_counter()
        report = embed_atlas(opened, batch_size=batch_size, workers=workers)
        seconds = time.perf_counter() - start
        said = _unlabelled(opened, report.model_id) if report.embedded else {}
    if as_json:
        print_json(
            {
                "model": report.model_id,
                "embedded": report.embedded,
                "again": report.again,
                "no_cell": report.no_cell,
                "uneven": report.uneven,
                "seconds": round(seconds, 3),
                "passed_over": [
                    {"file": file, "reason": reason} for file, reason in report.passed_over
                ],
                "unlabelled": said,
            }
        )
        return
    tell(
        f"{counted(report.embedded, 'cell')} embedded under model {report.model_id[:12]} "
        f"in {seconds:.1f} s"
    )
    if report.again:
        tell(f"{report.again} of them anew: the usual size of their data set has moved")
    if report.no_cell:
        pictures = counted(report.no_cell, "picture shows", "pictures show")
        tell(f"{pictures} no cell that could be found: taken whole")
    for name, words in report.uneven.items():
        tell(f"data set {name}: {words}", err=True)
    for file, reason in report.passed_over[:20]:
        tell(f"passed over {file}: {reason}", err=True)
    if len(report.passed_over) > 20:
        tell(f"passed over {len(report.passed_over) - 20} more; see --json", err=True)
    for name, words in said.items():
        tell(f"data set {name} {words}", err=True)
        tell(f"cellkin trust {atlas} --dataset {name} says more", err=True)


def _unlabelled(atlas: Atlas, model_id: str) -> dict[str, str]:
    """What each data set with no label, or hardly any, is like, in a sentence."""
    from retrieval.laboratory.trusting import hardly_labelled, trust_dataset

    metadata = atlas.model_metadata(model_id)
    said = {}
    for name, labels in hardly_labelled(atlas, model_id).items():
        has = counted(labels, "label") if labels else "no label"
        said[name] = f"has {has}: {trust_dataset(atlas, model_id, metadata, name).words()[0]}"
    return said

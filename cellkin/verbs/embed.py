"""``cellkin embed``: embed what has no embedding yet and bring the index up to date."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cellkin.options import atlas_argument, json_option, print_json, setting_option


@click.command(name="embed")
@atlas_argument
@click.option(
    "--model",
    "model_file",
    type=click.Path(),
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
    if as_json:
        print_json(
            {
                "model": report.model_id,
                "embedded": report.embedded,
                "seconds": round(seconds, 3),
                "passed_over": [
                    {"file": file, "reason": reason} for file, reason in report.passed_over
                ],
            }
        )
        return
    click.echo(
        f"{report.embedded} cells embedded under model {report.model_id[:12]} in {seconds:.1f} s"
    )
    for file, reason in report.passed_over[:20]:
        click.echo(f"passed over {file}: {reason}", err=True)
    if len(report.passed_over) > 20:
        click.echo(f"passed over {len(report.passed_over) - 20} more; see --json", err=True)

"""``cellkin info``: what an atlas holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cellkin.options import atlas_argument, json_option, print_json
from cellkin.telling import tell
from index.wording import counted

if TYPE_CHECKING:
    from index import Atlas


@click.command()
@atlas_argument
@json_option
def command(atlas: str, as_json: bool) -> None:
    """Say what ATLAS holds: data sets, cells, labels by class, models and embeddings."""
    from index import Atlas

    with Atlas.open(atlas) as opened:
        found = describe(opened)
    if as_json:
        print_json(found)
    else:
        show(found)


def describe(atlas: Atlas) -> dict[str, Any]:
    """What ``atlas`` holds, as plain JSON values."""
    from index import CellFilter

    present = list(atlas.present_labels().values())
    active = atlas.active_model
    return {
        "path": str(atlas.path),
        "cells": atlas.count(),
        "labelled": len(present),
        "disputed": len(atlas.disputed()),
        "flagged": atlas.count(CellFilter(flagged=True)),
        "datasets": [
            {key: _plain(value) for key, value in row.items()}
            for row in atlas.datasets().to_dict("records")
        ],
        "classes": {
            node.code: count
            for node in atlas.taxonomy.nodes.values()
            if (count := present.count(node.code))
        },
        "active_model": active,
        "models": [
            {
                "id": model.id,
                "active": model.id == active,
                "embedded": atlas.count(CellFilter(embedded_with=model.id)),
            }
            for model in atlas.models()
        ],
    }


def _plain(value: Any) -> Any:
    """NumPy scalars as Python's own."""
    return value.item() if hasattr(value, "item") else value


def show(found: dict[str, Any]) -> None:
    """Print what ``describe`` found, for a person."""
    tell(f"atlas     {found['path']}")
    tell(
        f"cells     {found['cells']:,}, of which {found['labelled']:,} labelled, "
        f"{found['disputed']:,} disputed, {found['flagged']:,} flagged"
    )
    for dataset in found["datasets"]:
        tell(
            f"data set  {dataset['name']}: {counted(dataset['cells'], 'cell')} in {dataset['root']}"
        )
    for model in found["models"]:
        mark = ", active" if model["active"] else ""
        tell(f"model     {model['id'][:12]}: {counted(model['embedded'], 'cell')} embedded{mark}")
    if found["classes"]:
        tell("labels")
        width = max(len(code) for code in found["classes"])
        for code, count in found["classes"].items():
            tell(f"  {code:{width}}  {count:>9,}")

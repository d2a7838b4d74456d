"""The map of the atlas for the page: made in the background, kept in the atlas, sent as numbers.

Labels are read fresh for every page; where cells lie and how novel they are is kept.
"""

from __future__ import annotations

import struct
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np

from annotator.class_names import name_shown
from annotator.explore.jobs import Jobs, Report
from annotator.problems import AnnotatorError
from index.exploring import origins_and_classes
from index.records import CellFilter

if TYPE_CHECKING:
    from annotator.desk import Desk
    from index.atlas import Atlas
    from retrieval.maps.sight import Sight

JOB = "map"
MAGIC = b"CKMP"
VERSION = 1
UNKNOWN_NOVELTY = 255
MOST_GROUPS = 254

# Shapes of points, told apart without their colour; the script draws them in this order.
SHAPES = ("disc", "square", "triangle", "diamond", "cross", "plus", "ring", "star")


class MapMissingError(AnnotatorError):
    """The atlas has no map yet."""

    status = HTTPStatus.NOT_FOUND


class MapKeeper:
    """The map of the active model of one atlas; safe between threads."""

    def __init__(self, desk: Desk, jobs: Jobs) -> None:
        self._desk = desk
        self._jobs = jobs
        self._lock = threading.Lock()
        self._sight: tuple[str, float, Sight | None] | None = None
        # The last answer of ``points``: pages ask for the numbers and for the groups at once.
        self._drawn: tuple[tuple[int, int, int], tuple[bytes, dict[str, Any]]] | None = None

    def sight(self) -> Sight | None:
        """The map that is kept, None before the first."""
        from retrieval.maps.sight import load_sight, sight_file

        model = self._desk.atlas.active_model
        if model is None:
            return None
        file = sight_file(self._desk.atlas, model)
        try:
            changed = file.stat().st_mtime
        except OSError:
            return None
        with self._lock:
            if self._sight is None or self._sight[:2] != (model, changed):
                found = load_sight(file)
                self._sight = model, changed, found if found and found.model_id == model else None
            return self._sight[2]

    def start(self, anew: bool = False) -> None:
        """Make the map in the background; ``anew`` fits it again instead of placing new cells."""

        def work(report: Report) -> None:
            from retrieval.maps import map_atlas
            from retrieval.maps.sight import Sight, sight_file

            atlas = self._desk.whole
            drawn = map_atlas(atlas, fitted_anew=True if anew else None, report=report)
            report("saving", 0, 0)
            Sight.of(drawn).save(sight_file(atlas, drawn.model_id))

        self._jobs.start(JOB, work)

    def state(self) -> dict[str, Any]:
        """Whether there is a map, how many cells it shows and how many have come since."""
        atlas, sight, job = self._desk.atlas, self.sight(), self._jobs.get(JOB)
        model = atlas.active_model
        embedded = atlas.count(CellFilter(embedded_with=model)) if model else 0
        shown = len(sight.cell_ids) if sight else 0
        return {
            "ready": sight is not None,
            "cells": shown,
            "newer": max(0, embedded - shown),
            "embedded": embedded,
            "placed": int(sight.placed.sum()) if sight else 0,
            "model": model,
            "job": job.document() if job else None,
        }

    def points(self) -> tuple[bytes, dict[str, Any]]:
        """All cells of the map as one block of numbers, and what the numbers mean.

        The block, little-endian: ``CKMP``, version and N as uint32; N ids uint32; 2 N coordinates
        float32 within 0..1; then N bytes each of class, data set and novelty. The cells stand in a
        seeded random order, so that any beginning of the block is a fair sample. Class and data
        set number the ``groups``; novelty is 0 to 254 for 0 to 1, 255 where it is not known.
        Raises MapMissingError without a map.
        """
        sight, atlas = self.sight(), self._desk.atlas
        if sight is None:
            raise MapMissingError("this atlas has no map yet", "make it first")
        key = (atlas.database.version(), id(atlas), id(sight))
        with self._lock:
            if self._drawn is None or self._drawn[0] != key:
                self._drawn = key, self._draw(sight, atlas)
            return self._drawn[1]

    def _draw(self, sight: Sight, atlas: Atlas) -> tuple[bytes, dict[str, Any]]:
        order = np.random.default_rng(0).permutation(len(sight.cell_ids))
        ids = sight.cell_ids[order]
        datasets, classes = origins_and_classes(atlas, ids)
        class_groups, class_of = self._class_groups(classes)
        dataset_groups, dataset_of = _dataset_groups(datasets)
        novelty = sight.novelty[order]
        block = b"".join(
            (
                MAGIC,
                struct.pack("<II", VERSION, len(ids)),
                ids.astype("<u4").tobytes(),
                sight.unit_square()[order].astype("<f4").tobytes(),
                class_of.tobytes(),
                dataset_of.tobytes(),
                np.where(np.isnan(novelty), UNKNOWN_NOVELTY, np.nan_to_num(novelty) * 254)
                .round()
                .astype(np.uint8)
                .tobytes(),
            )
        )
        return block, {"class": class_groups, "dataset": dataset_groups}

    def groups(self) -> dict[str, Any]:
        """The groups alone, for the legend that the page carries, in the reader's language.

        What is drawn is kept for readers of all languages, so it is named here.
        """
        found = self.points()[1]
        named = [
            {**each, "name": each["name"] and name_shown(each["name"])} for each in found["class"]
        ]
        return {**found, "class": named}

    def _class_groups(self, classes: list[str | None]) -> tuple[list[dict[str, Any]], np.ndarray]:
        """Classes in the taxonomy's order; a subclass has the shape of its class."""
        taxonomy = self._desk.whole.taxonomy
        present = set(classes)
        shapes: dict[str, int] = {}
        groups: list[dict[str, Any]] = []
        number: dict[str | None, int] = {}
        for node in taxonomy.nodes.values():
            if node.code in present and len(groups) < MOST_GROUPS:
                whole = taxonomy.at_level(node.code, "class") or node.code
                shape = shapes.setdefault(whole, len(shapes) % len(SHAPES))
                number[node.code] = len(groups)
                groups.append(
                    {"name": node.name, "code": node.code, "colour": node.colour, "shape": shape}
                )
        other = len(groups)
        groups.append({"name": None, "code": None, "colour": "#8b949e", "shape": 0})
        of = np.array([number.get(code, other) for code in classes], np.uint8)
        return _counted(groups, of), of


def _dataset_groups(datasets: list[str]) -> tuple[list[dict[str, Any]], np.ndarray]:
    from retrieval.maps.groups import NEUTRAL, PALETTE

    names, of = np.unique(np.array(datasets, dtype=object).astype(str), return_inverse=True)
    of = np.minimum(of, MOST_GROUPS).astype(np.uint8)
    groups = [
        {
            "name": str(name),
            "code": None,
            "colour": PALETTE[place] if place < len(PALETTE) else NEUTRAL,
            "shape": place % len(SHAPES),
        }
        for place, name in enumerate(names[: MOST_GROUPS + 1])
    ]
    return _counted(groups, of), of


def _counted(groups: list[dict[str, Any]], of: np.ndarray) -> list[dict[str, Any]]:
    counts = np.bincount(of, minlength=len(groups))
    return [{**group, "count": int(counts[place])} for place, group in enumerate(groups)]

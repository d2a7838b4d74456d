"""Sample cells for the demo: some labelled references, and a batch as if from a new slide.

Cells come from a folder of real ones where there is one, from the fetched public set where that
was asked for, and are painted otherwise. They are copied into the demo's folder, so that it shows
what a folder of one's own may look like.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.errors import CellKinError
from index.taxonomy import Taxonomy, shipped_taxonomy
from retrieval.painter import paint_dataset
from retrieval.reading.fetch import fetch
from retrieval.reading.found import Found
from retrieval.reading.public import PublicSet, RemoteFile
from retrieval.reading.source import iter_source
from retrieval.writing import write_whole

REFERENCES_A_CLASS = 60
BATCH_A_CLASS = 15
CELLS = "cells"
BeforeDownload = Callable[[PublicSet, list[RemoteFile]], None]
COLUMNS = ("file", "class", "subclass", "patient", "slide", "split")


class SampleError(CellKinError):
    """Sample cells cannot be laid out as asked."""


@dataclass(frozen=True)
class Sample:
    """Cells laid out for the demo.

    kind: ``real`` or ``painted``. references: a folder of class folders with ``labels.csv``.
    batch: a flat folder without labels. truth: CSV of the batch's classes, which the atlas does
    not see. notes: what a person should know about the cells.
    """

    kind: str
    references: Path
    batch: Path
    truth: Path
    notes: str


@dataclass(frozen=True)
class _Candidate:
    path: Path
    class_code: str
    subclass: str
    patient: str
    slide: str
    split: str


def real_cells() -> Path | None:
    """The folder of real PBC cells under ``$CELLKIN_DATA``, or None where there is none."""
    given = os.environ.get("CELLKIN_DATA")
    folder = Path(given) / "pbc" if given else None
    return folder if folder is not None and (folder / "labels.csv").is_file() else None


def lay_out(
    folder: Path,
    *,
    seed: int = 0,
    real: bool = False,
    before_download: BeforeDownload | None = None,
    references_a_class: int = REFERENCES_A_CLASS,
    batch_a_class: int = BATCH_A_CLASS,
) -> Sample:
    """Put sample cells into ``folder/cells``, or take those that an earlier run put there.

    They are drawn from ``real_cells``; else, with ``real``, from the public PBC set, downloaded
    once into ``folder/download`` (``before_download`` is told what it is); else painted. A stopped
    run leaves no cells behind: they appear all at once. Raises SampleError and FetchError.
    """
    target = folder / CELLS
    if target.exists():
        return _found(target, wants_real=real)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".cells-") as scratch:
            made = Path(scratch) / CELLS
            source = real_cells()
            if source is None and real:
                source = Path(fetch("pbc", folder / "download", before=before_download).source)
            if source is not None:
                kind, notes = "real", f"real cells, copied from {source}"
            else:
                kind, notes = "painted", "painted cells: drawn by a program, of no patient"
                source = Path(scratch) / "painted"
                paint_dataset(source, _painted_a_class(references_a_class, batch_a_class), seed)
            _write_sample(made, _candidates(source), seed, references_a_class, batch_a_class)
            about = {"kind": kind, "notes": notes, "seed": seed}
            write_whole(made / "sample.json", json.dumps(about))
            made.replace(target)
    except OSError as error:
        raise SampleError(
            f"sample cells cannot be laid out in {folder}: {error.strerror or error}",
            "give a folder that can be written with --folder",
        ) from error
    return _found(target, wants_real=False)


def _found(target: Path, *, wants_real: bool) -> Sample:
    """The sample in ``target``."""
    try:
        about = json.loads((target / "sample.json").read_text(encoding="utf-8"))
        kind, notes = str(about["kind"]), str(about["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SampleError(
            f"{target} is there but holds no sample cells of the demo",
            "give another folder with --folder, or move this one away",
        ) from error
    if wants_real and kind != "real":
        raise SampleError(
            f"{target} holds {kind} cells of an earlier demo, now real ones are asked for",
            "give another folder with --folder, or remove this one",
        )
    return Sample(
        kind, target / "references", target / "new-slide", target / "new-slide.csv", notes
    )


def _painted_a_class(references: int, batch: int) -> int:
    """How many cells to paint: of ten painted patients seven are for training, three are not."""
    tens = max(-(-references // 7), -(-batch // 3))
    return 10 * tens


def _candidates(source: Path) -> list[_Candidate]:
    """The labelled pictures of a source, in the order of their names."""
    taxonomy = shipped_taxonomy()
    labels = source / "labels.csv"
    pictures = source / "images" if (source / "images").is_dir() else source
    found = iter_source(pictures, labels if labels.is_file() else None)
    known = [_candidate(item, taxonomy) for item in found if isinstance(item, Found)]
    candidates = sorted((c for c in known if c is not None), key=lambda c: c.path.as_posix())
    if not candidates:
        raise SampleError(f"{source} holds no labelled cells", "point CELLKIN_DATA elsewhere")
    return candidates


def _candidate(found: Found, taxonomy: Taxonomy) -> _Candidate | None:
    if found.class_text is None:
        return None
    code = taxonomy.resolve(found.class_text).code
    deepest = taxonomy.resolve(found.subclass_text).code if found.subclass_text else code
    parent = taxonomy.at_level(deepest, "class") or code
    return _Candidate(
        found.path,
        parent,
        deepest if deepest != parent else "",
        found.patient or "",
        found.slide or "",
        found.split or "",
    )


def _write_sample(
    made: Path, candidates: Sequence[_Candidate], seed: int, references: int, batch: int
) -> None:
    """Draw a balanced sample and copy it: references by class, the batch shuffled and unnamed."""
    rng = np.random.Generator(np.random.PCG64([seed, 4]))
    rows: list[dict[str, str]] = []
    queue: list[_Candidate] = []
    for code in sorted({candidate.class_code for candidate in candidates}):
        of_class = [candidate for candidate in candidates if candidate.class_code == code]
        known = [c for c in of_class if c.split in ("train", "")]
        unseen = [c for c in of_class if c.split not in ("train", "")]
        drawn = _draw(known, references + (0 if unseen else batch), rng)
        queue += _draw(unseen, batch, rng) if unseen else drawn[references:]
        for candidate in drawn[:references]:
            name = f"{code}/{candidate.path.name}"
            _copy(candidate.path, made / "references" / name)
            rows.append(_row(name, candidate))
    _write_table(made / "references" / "labels.csv", rows)
    truth = []
    for number, place in enumerate(rng.permutation(len(queue)), start=1):
        candidate = queue[int(place)]
        name = f"cell_{number:03d}{candidate.path.suffix.lower()}"
        _copy(candidate.path, made / "new-slide" / name)
        truth.append(_row(name, candidate))
    _write_table(made / "new-slide.csv", truth)


def _draw(
    candidates: Sequence[_Candidate], count: int, rng: np.random.Generator
) -> list[_Candidate]:
    """Up to ``count`` of the candidates, none twice."""
    order = rng.permutation(len(candidates))[:count]
    return [candidates[int(place)] for place in order]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _row(name: str, candidate: _Candidate) -> dict[str, str]:
    return {
        "file": name,
        "class": candidate.class_code,
        "subclass": candidate.subclass,
        "patient": candidate.patient,
        "slide": candidate.slide,
        "split": candidate.split,
    }


def _write_table(path: Path, rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def read_truth(sample: Sample) -> dict[str, str]:
    """File name in the batch -> class, which the atlas was not told."""
    with sample.truth.open(newline="", encoding="utf-8") as handle:
        return {row["file"]: row["class"] for row in csv.DictReader(handle)}

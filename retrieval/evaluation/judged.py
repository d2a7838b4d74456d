"""Cells whose class is known, beside what was proposed for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval.evaluation.metrics import RetrievalMetrics

if TYPE_CHECKING:
    from index import Cell
    from retrieval.answers.proposer import Proposal
    from retrieval.reading.found import Found


@dataclass(frozen=True)
class Judged:
    """One evaluated cell: its class at the evaluated level, and the proposal.

    ``name`` is its file as the source gives it; ``sha256`` that of its pixels; ``picture`` tells
    where the pixels are.
    """

    name: str
    true: str
    sha256: str
    proposal: Proposal
    picture: Cell | Found
    dataset: str | None = None
    patient: str | None = None
    slide: str | None = None

    @property
    def correct(self) -> bool:
        """Whether the most probable class is the true one."""
        return self.proposal.class_code == self.true

    @property
    def group(self) -> tuple[str, str]:
        """What the cell is drawn with in a bootstrap: (patient | slide | cell, its name)."""
        if self.patient is not None:
            return "patient", f"{self.dataset or ''}/{self.patient}"
        if self.slide is not None:
            return "slide", f"{self.dataset or ''}/{self.slide}"
        return "cell", self.name


@dataclass(frozen=True)
class Evaluated:
    """All evaluated cells, the references they were measured against, and what was left out.

    ``mode`` is "source", "split" or "each" (every cell against all others). ``reference_sha256``
    hashes the references' pixels and classes. ``left_out`` are (file, reason) of cells that could
    not be measured; ``notes`` say what a reader of the figures must know.
    """

    cells: list[Judged]
    retrieval: RetrievalMetrics | None
    mode: str
    source: str
    references: int
    reference_sha256: str
    model_id: str
    level: str
    k: int
    same_patient_left_out: int = 0
    duplicates_left_out: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def data_hash(cells: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the sorted (pixel hash, class) pairs: the same cells and labels, any order."""
    digest = hashlib.sha256()
    for pixels, code in sorted(cells):
        digest.update(f"{pixels} {code}\n".encode())
    return digest.hexdigest()

"""The demo's path on sample cells: an atlas, embeddings, proposals for a new slide, a montage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from index import Atlas, CellFilter
from retrieval.answers.montage import write_montage
from retrieval.answers.proposal import Proposal
from retrieval.answers.proposer import Proposer
from retrieval.answers.query import QueryResult
from retrieval.embedding import embed_atlas
from retrieval.model import atlas_model
from retrieval.reading.importing import import_source
from retrieval.sample import Sample, read_truth

REFERENCES = "references"
NEW_SLIDE = "new-slide"
SHOWN = 8  # cells in the montage: one of each class, where the answers allow
BESIDE = 8  # neighbours beside each of them


@dataclass(frozen=True)
class Answered:
    """A cell of the new slide: its file, the proposal, and its class, which the atlas never saw."""

    cell_id: int
    file: str
    proposal: Proposal
    truth: str


@dataclass(frozen=True)
class DemoReport:
    """What the demo made: where, cells by data set, cells embedded now, the answers."""

    atlas: Path
    montage: Path
    references: int
    batch: int
    embedded: int
    answers: tuple[Answered, ...]

    @property
    def agreeing(self) -> int:
        """Answers that name the class the cell's source gives it."""
        return sum(answer.proposal.class_code == answer.truth for answer in self.answers)

    def shown(self, count: int) -> tuple[Answered, ...]:
        """``count`` answers, of as many classes as there are."""
        seen: dict[str, int] = {}
        order = []
        for place, answer in enumerate(self.answers):
            turn = seen.get(answer.proposal.class_code, 0)
            seen[answer.proposal.class_code] = turn + 1
            order.append((turn, place))
        return tuple(self.answers[place] for _, place in sorted(order)[:count])


def build(folder: Path, sample: Sample) -> DemoReport:
    """Bring ``sample`` into the atlas ``folder/atlas``, embed it and answer for its new slide.

    What is there already is kept, labels too, so a second run only adds what is missing. Raises
    the errors of importing, of the atlas and of the model.
    """
    path, montage = folder / "atlas", folder / "montage.png"
    with Atlas.open(path, create=True) as atlas:
        import_source(
            atlas, sample.references, labels=sample.references / "labels.csv", dataset=REFERENCES
        )
        import_source(atlas, sample.batch, dataset=NEW_SLIDE)
        model = atlas_model(atlas)
        embedded = embed_atlas(atlas, model=model).embedded
        report = DemoReport(
            path,
            montage,
            atlas.count(CellFilter(datasets=(REFERENCES,))),
            atlas.count(CellFilter(datasets=(NEW_SLIDE,))),
            embedded,
            _answers(atlas, model.id, read_truth(sample)),
        )
        drawn = [
            QueryResult(str(sample.batch / answer.file), answer.proposal.evidence[:BESIDE])
            for answer in report.shown(SHOWN)
        ]
        write_montage(atlas, drawn, montage)
        return report


def _answers(atlas: Atlas, model_id: str, truth: dict[str, str]) -> tuple[Answered, ...]:
    """A proposal for every cell of the new slide, on the evidence of the references alone."""
    ids, vectors = atlas.embeddings(model_id, CellFilter(datasets=(NEW_SLIDE,)))
    proposer = Proposer(atlas, model_id=model_id, filter=CellFilter(datasets=(REFERENCES,)))
    proposals = proposer.propose(vectors)
    files = atlas.cells_by_id([int(cell_id) for cell_id in ids])
    return tuple(
        Answered(int(cell_id), files[int(cell_id)].file, proposal, truth[files[int(cell_id)].file])
        for cell_id, proposal in zip(ids, proposals, strict=True)
    )

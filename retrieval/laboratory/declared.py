"""Which classes can occur in a laboratory: declared for one of its data sets, and kept with it."""

from __future__ import annotations

from collections.abc import Sequence

from index import Atlas, CellFilter
from index.adaptations import label_counts
from index.auditing import put_audited
from retrieval.answers.limits import reference_limits, require_dataset

EVERY = "all"


def document_name(dataset: str) -> str:
    """Under which name an atlas keeps what is declared of ``dataset``."""
    return f"classes/{dataset}"


def declare_classes(
    atlas: Atlas, dataset: str, names: Sequence[str], author: str
) -> tuple[str, ...]:
    """Keep that only classes ``names`` occur in ``dataset``; returns their codes, () for every one.
    The audit log says that ``author`` declared it, and what was declared before.

    names: any that the taxonomy knows, or EVERY alone, which takes back what was declared.
    Raises UnknownDatasetError, UnknownClassError, AnswerError for a class without a labelled cell.
    """
    require_dataset(atlas, dataset)
    limits = None if tuple(names) == (EVERY,) else reference_limits(atlas, classes=names)
    codes = () if limits is None else limits.classes
    kept = {"dataset": dataset, "classes": list(codes)}
    put_audited(atlas, document_name(dataset), kept, author, "declare classes")
    return codes


def declared_classes(atlas: Atlas, dataset: str) -> tuple[str, ...]:
    """The codes declared to occur in ``dataset``; () where nothing is declared."""
    document = atlas.document(document_name(dataset))
    return () if document is None else tuple(document["classes"])


def declared_limits(atlas: Atlas, dataset: str | None) -> CellFilter | None:
    """The references that may be answers in ``dataset``; None for all of them.

    A class that somebody has labelled there occurs, whatever was declared.
    """
    codes = () if dataset is None else declared_classes(atlas, dataset)
    if dataset is None or not codes:
        return None
    return CellFilter(classes=tuple(dict.fromkeys((*codes, *label_counts(atlas, dataset)))))


def labelled_besides(atlas: Atlas, dataset: str) -> tuple[str, ...]:
    """The codes that occur in ``dataset`` beside the declared ones, as cells are labelled so."""
    declared = declared_classes(atlas, dataset)
    labelled = label_counts(atlas, dataset) if declared else {}
    within = atlas.taxonomy.is_within
    return tuple(code for code in labelled if not any(within(code, each) for each in declared))

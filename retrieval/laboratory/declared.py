"""Which classes can occur in a laboratory: declared for one of its data sets, and kept with it."""

from __future__ import annotations

from collections.abc import Sequence

from index import Atlas, CellFilter
from index.adaptations import label_counts
from retrieval.answers.limits import reference_limits, require_dataset

EVERY = "all"


def document_name(dataset: str) -> str:
    """Under which name an atlas keeps what is declared of ``dataset``."""
    return f"classes/{dataset}"


def declare_classes(atlas: Atlas, dataset: str, names: Sequence[str]) -> tuple[str, ...]:
    """Keep that only classes ``names`` occur in ``dataset``; returns their codes, () for every one.

    names: any that the taxonomy knows, or EVERY alone, which takes back what was declared.
    Raises UnknownDatasetError, UnknownClassError, AnswerError for a class without a labelled cell.
    """
    require_dataset(atlas, dataset)
    if tuple(names) == (EVERY,):
        atlas.delete_document(document_name(dataset))
        return ()
    limits = reference_limits(atlas, classes=names)
    codes = () if limits is None else limits.classes
    atlas.put_document(document_name(dataset), {"classes": list(codes)})
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

"""What pages and API say of adaptations: on what proposals rest, what is under way, what is next.

Imports neither torch nor Flask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.adapting.keeper import FAILED, WAITING, WORKING, Adapting, Progress
from annotator.language import gettext as _
from annotator.language import mark, ngettext
from index.browsing import cells_by_dataset, tallies

if TYPE_CHECKING:
    from annotator.adapting.due import Standing
    from annotator.desk import Desk
    from index.adaptations import AdaptationRecord

Document = dict[str, Any]

STAGES = {
    "reading": mark("reading its cells"),
    "adapting": mark("learning"),
    "saving": mark("putting it in place"),
}


def resting(record: AdaptationRecord | None) -> Document:
    """On what a proposal rests, by the entry of the log that made it; None: on its neighbours."""
    if record is None:
        words = _("Rests on the vote of the nearest labelled cells")
    elif record.labels and not record.dataset:
        words = ngettext(
            "Adapted to %(num)s label of all data sets",
            "Adapted to %(num)s labels of all data sets",
            record.count,
        )
    elif record.labels:
        words = ngettext(
            "Adapted to %(num)s label of %(dataset)s",
            "Adapted to %(num)s labels of %(dataset)s",
            record.count,
            dataset=record.dataset,
        )
    else:
        words = _(
            "Rests on %(dataset)s read as a whole, without its labels", dataset=record.dataset
        )
    return {
        "adaptation": None if record is None else record.id,
        "labels": None if record is None else record.count,
        "dataset": None if record is None else record.dataset or None,
        "made": None if record is None else record.made,
        "words": words,
    }


def dataset_document(desk: Desk, dataset: str) -> Document:
    """How the adaptation to ``dataset`` stands for the present viewer."""
    adapting, atlas = desk.adapting, desk.atlas
    progress, standing = adapting.progress(atlas, dataset), adapting.standing(atlas, dataset)
    held = adapting.held(atlas, dataset, consider=False)
    record = None if held is None else held.record
    told = record.accuracy if record is not None else None
    return {
        "dataset": dataset,
        "on": adapting.on,
        "state": progress.state if adapting.on else "off",
        "stage": progress.stage if progress.busy else None,
        "words": _under_way(progress, sum(standing.labels.values())) if adapting.on else "",
        "rests": resting(record),
        "accuracy": None if told is None else round(told, 4),
        "labels": sum(standing.labels.values()),
        "fresh": standing.fresh,
        "next": _next(adapting, progress, standing),
        "message": progress.message or None,
        "remedy": progress.remedy or None,
    }


def all_documents(desk: Desk) -> list[Document]:
    """``dataset_document`` for each data set in which cells are left to label."""
    labelled: dict[str, int] = {}
    for each in tallies(desk.atlas):
        if each.class_code:
            labelled[each.dataset] = labelled.get(each.dataset, 0) + each.cells
    sets = cells_by_dataset(desk.atlas)
    return [
        dataset_document(desk, name)
        for name, count in sets.items()
        if labelled.get(name, 0) < count
    ]


def _under_way(progress: Progress, labels: int) -> str:
    if progress.state == WORKING:
        return ngettext(
            "Adapting to %(dataset)s, %(num)s label: %(stage)s …",
            "Adapting to %(dataset)s, %(num)s labels: %(stage)s …",
            labels,
            dataset=progress.dataset,
            stage=_(STAGES.get(progress.stage, progress.stage)),
        )
    if progress.state == FAILED:
        return _(
            "Not adapted to %(dataset)s: %(message)s; %(remedy)s.",
            dataset=progress.dataset,
            message=progress.message,
            remedy=progress.remedy,
        )
    return ""


def _next(adapting: Adapting, progress: Progress, standing: Standing) -> str:
    """When the next adaptation is due, in one sentence."""
    if not adapting.on:
        return _("Adaptation is switched off (--no-adapt).")
    if progress.state == WAITING:
        return _("Waits for its turn.")
    if standing.missing:
        return ngettext(
            "Due after %(num)s more label.", "Due after %(num)s more labels.", standing.missing
        )
    if not standing.ready:
        return _("Due once two classes have two labels each.")
    return _("Due at the next question.")

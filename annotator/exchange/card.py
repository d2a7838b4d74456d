"""The data card of an export: what is in it, who said so, how far they agree, what is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from annotator.exchange.counts import Counts
from index.moment import now
from retrieval.evaluation.readings import Figure, figures, read

if TYPE_CHECKING:
    from index.atlas import Atlas

DRAWS = 400  # of the bootstrap behind the intervals of agreement
MEASURES = {"fleiss": "Fleiss' kappa", "krippendorff": "Krippendorff's alpha"}
_ORIGIN = ("data set", "cells", "licence", "citation")
UNKNOWN = "not stated: ask whoever made the pictures before you pass them on"


def licence_of(atlas: Atlas, datasets: Iterable[str], given: str = "") -> str:
    """``given``, else the licences of the data sets; empty where none is known."""
    if given:
        return given
    table = atlas.datasets()
    known = {
        str(row.name): str(row.licence)
        for row in table.itertuples(index=False)
        if row.licence and row.name in set(datasets)
    }
    if len(set(known.values())) == 1:
        return next(iter(known.values()))
    return "; ".join(f"{name}: {licence}" for name, licence in known.items())


def card(
    atlas: Atlas,
    counts: Counts,
    *,
    form: str,
    datasets: Sequence[str] = (),
    consensus: bool = False,
    licence: str = "",
    passed_over: Sequence[tuple[str, str]] = (),
) -> str:
    """The data card in Markdown. ``form`` is the name of the format."""
    taxonomy = atlas.taxonomy
    rows = [
        (taxonomy.node(code).name, f"`{code}`", counts.classes[code])
        for code in taxonomy.nodes
        if counts.classes[code]
    ]
    limit = "cells on which readers agree, or that were adjudicated" if consensus else "every cell"
    parts = [
        f"# {atlas.path.name}: labelled cells",
        f"Exported by CellKin as {form} at {now()}: {limit} with a present label"
        f"{' of ' + ', '.join(datasets) if datasets else ''}. {counts.total:,} cells"
        + (f" of {len(counts.patients):,} patients." if counts.patients else "."),
        "CellKin is a research tool, not a diagnostic device.",
        "## Licence\n\n" + (licence_of(atlas, counts.datasets, licence) or UNKNOWN),
        "## Classes\n\n" + _table(("class", "code", "cells"), rows),
        "## Origin\n\n"
        + _table(("data set", "cells", "licence", "citation"), _sets(atlas, counts)),
        _list("Splits", counts.splits),
        _list("Authors of the present labels", counts.authors),
        _list("How they were given", counts.how),
        _list("What their authors saw", counts.seen),
        _list("Models behind the proposals", counts.models),
        "## Agreement\n\n" + _agreement(atlas, counts, datasets),
    ]
    if passed_over:
        named = [(_escape(file), _escape(reason)) for file, reason in passed_over[:50]]
        told = f"{len(passed_over):,} cells, of which the picture is gone or changed."
        parts.append(f"## Left out\n\n{told}\n\n" + _table(("file", "reason"), named))
    return "\n\n".join(part for part in parts if part) + "\n"


def _sets(atlas: Atlas, counts: Counts) -> list[tuple[object, ...]]:
    rows: list[dict[str, Any]] = atlas.datasets().to_dict("records")  # type: ignore[assignment]
    return [
        (_escape(row["name"]), counts.datasets[row["name"]], row["licence"], row["citation"])
        for row in rows
        if counts.datasets[row["name"]]
    ]


def _list(title: str, counted: Counter[str]) -> str:
    if not counted:
        return ""
    rows = [(_escape(name), count) for name, count in counted.most_common()]
    return f"## {title}\n\n" + _table(("", "cells"), rows)


def _agreement(atlas: Atlas, counts: Counts, datasets: Sequence[str]) -> str:
    several = sum(count for readers, count in counts.readers.items() if readers > 1)
    if not several:
        return "Every cell was read by one person: nothing is known of how far readers agree."
    told = f"{several:,} cells were read by two people or more; consensus on {counts.consensus:,}."
    found = figures(read(atlas, datasets=datasets), draws=DRAWS)
    rows = [
        (MEASURES[each.measure], each.scope, each.weights, *_said(each))
        for each in found
        if each.measure in MEASURES and each.agreement.value is not None
    ]
    if not rows:
        return told
    return told + "\n\n" + _table(("measure", "over", "weights", "value", "95%", "cells"), rows)


def _said(figure: Figure) -> tuple[str, str, int]:
    value, interval = figure.agreement.value, figure.agreement.interval
    wide = f"{interval.low:.3f} to {interval.high:.3f}" if interval is not None else ""
    return f"{value:.3f}", wide, figure.agreement.cells


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_number(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _number(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value).replace("\n", " ")


def _escape(text: str) -> str:
    """Names come from files: they may hold what Markdown or HTML would act on."""
    return "".join(f"\\{letter}" if letter in r"\`*_[]<>|#" else letter for letter in text)

"""The page a person reads: every figure with its interval, and what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from index.wording import counted

Document = Mapping[str, Any]

FEW_GROUPS = 20
# true of every mode: the cells are answered by a Proposer, never by retrieval.laboratory
MEASURED = (
    "measured is the vote of neighbours, each cell by itself; 'cellkin classify' besides judges "
    "the laboratory (at level class, where the model has features) and may accept far less, or none"
)

_RETRIEVAL = {
    "precision_at_1": "P@1: the nearest reference is of the cell's class",
    "r_precision": "R-precision",
    "map_at_r": "MAP@R",
    "map_at_5_lenient": "mAP@5, lenient: Σ P(i)·rel(i) over the first 5, divided by the hits found",
    "map_at_5_strict": "mAP@5, strict: the same sum divided by min(5, R)",
}
_CLASSES = {
    "accuracy": "accuracy",
    "accuracy_within_branch": "answer in the true class's branch (above or below it counts)",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
}
_TRUST = {
    "ece_equal_mass": "ECE, 15 bins of equal mass",
    "ece_equal_width": "ECE, 15 bins of equal width",
    "brier": "Brier score (0 to 2)",
    "nll": "NLL (nats)",
}


def report_page(document: Document, names: Mapping[str, str]) -> str:
    """``metrics.json``'s document as a Markdown page; ``names`` are those of the classes."""
    data, made = document["data"], document["made"]
    lines = [
        "# Evaluation",
        "",
        f"{counted(data['cells'], 'cell')} against "
        f"{counted(data['references'], 'reference')}, "
        f"level {made['level']}, k = {made['k']}, model `{made['model_id'][:12]}`.",
        "",
        f"{MEASURED[0].upper()}{MEASURED[1:]}.",
        "",
        "Research use only; not a diagnostic device.",
        "",
        *_intervals_note(document["bootstrap"]),
        *[f"- {note}" for note in data["notes"]],
    ]
    retrieval = document["retrieval"]
    if retrieval is not None:
        rows = dict(_RETRIEVAL)
        depths = {name: int(name.rpartition("_")[2]) for name in retrieval if _is_depth(name)}
        for name in sorted(depths, key=lambda each: depths[each]):
            rows[name] = f"P@{depths[name]}"
        lines += _table("Retrieval", rows, retrieval)
        lone = retrieval["without_own_class_among_references"]
        if lone:
            lines += [
                "",
                f"{counted(lone, 'cell has', 'cells have')} no reference of the class: "
                "left out here.",
            ]
    lines += _table("Classification", _CLASSES, document["classification"])
    lines += _per_class(document, names)
    lines += _table("Calibration", _TRUST, document["calibration"])
    lines += _table("Selection", {"aurc": "AURC", "excess_aurc": "excess AURC"},
                    document["selective"])  # fmt: skip
    lines += _decisions(document["decisions"])
    lines += _table(
        "Prediction sets",
        {
            "coverage": "sets that hold the true class",
            "mean_size": "classes a set",
            "single": "sets of one class",
            "single_correct": "right among sets of one class",
            "empty": "empty sets",
        },
        document["prediction_sets"],
    )
    lines += _novelty(document["novelty"])
    lines += _provenance(document)
    return "\n".join(lines) + "\n"


def number(figure: Document, digits: int = 4) -> str:
    """A figure with its interval: ``0.9812 (0.9751–0.9860)``, or ``–``."""
    value, interval = figure["value"], figure["interval"]
    if value is None:
        return "–"
    if interval is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({interval['low']:.{digits}f}–{interval['high']:.{digits}f})"


def _is_depth(name: str) -> bool:
    return name.startswith("precision_at_") and name != "precision_at_1"


def _intervals_note(bootstrap: Document) -> list[str]:
    groups = bootstrap["groups"]
    drawn = ", ".join(counted(count, kind) for kind, count in sorted(groups.items()))
    if set(groups) == {"cell"}:
        note = (
            f"In brackets: 95% intervals over {drawn} taken as independent, as no patient or slide "
            "is known; true intervals are wider. Wilson for shares, else bootstrap"
        )
    else:
        note = f"In brackets: 95% intervals by cluster bootstrap over {drawn}"
    lines = [f"- {note} ({bootstrap['draws']} draws, seed {bootstrap['seed']})."]
    if sum(groups.values()) < FEW_GROUPS:
        lines.append(f"- Fewer than {FEW_GROUPS} groups: the intervals are rough and too narrow.")
    return lines


def _table(title: str, rows: Mapping[str, str], figures: Document) -> list[str]:
    lines = ["", f"## {title}", "", "| figure | value |", "|---|---|"]
    return lines + [f"| {text} | {number(figures[name])} |" for name, text in rows.items()]


def _per_class(document: Document, names: Mapping[str, str]) -> list[str]:
    lines = ["", "| class | cells | precision | recall | F1 |", "|---|---:|---|---|---|"]
    for code, each in document["classification"]["per_class"].items():
        lines.append(
            f"| {names.get(code, code)} | {each['cells']} | {number(each['precision'], 3)} "
            f"| {number(each['recall'], 3)} | {number(each['f1'], 3)} |"
        )
    return lines


def _decisions(decisions: Document) -> list[str]:
    lines = ["", "| decision | cells | share | wrong among them |", "|---|---:|---|---|"]
    for name, each in decisions.items():
        lines.append(
            f"| {name} | {each['cells']} | {number(each['share'])} | {number(each['risk'])} |"
        )
    return lines


def _novelty(novelty: Document) -> list[str]:
    lines = ["", f"Mean novelty {number(novelty['mean'], 3)}."]
    strange = novelty["cells_of_classes_without_reference"]
    if strange:
        lines.append(
            f"{counted(strange, 'cell is', 'cells are')} of classes without a reference; "
            f"novelty tells them from the others with AUROC {number(novelty['auroc'], 3)}."
        )
    return lines


def _provenance(document: Document) -> list[str]:
    data, made = document["data"], document["made"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return [
        "",
        "## How this was measured",
        "",
        f"- command: `{made['command']}`",
        f"- cells: {data['source']}, hash `{data['sha256'][:16]}`; references: hash "
        f"`{data['reference_sha256'][:16]}`",
        f"- {counted(len(data['left_out']), 'cell')} could not be measured: left out",
        f"- {counted(data['same_patient_left_out'], 'cell has', 'cells have')} others of the "
        f"patient or slide among the references and {data['duplicates_left_out']} a picture of the "
        "same pixels; these did not answer",
        f"- model `{made['model_id']}`",
        f"- {made['time']}, {versions}",
        "",
        "Plots: confusion.png, per_class.png, reliability.png, risk_coverage.png, errors.png. "
        "Every figure: metrics.json. Every answer: answers.csv.",
    ]

"""How far answers can be trusted: calibration, sets, decisions, novelty, alarm, expectation.

PBC's train split and four fifths of BCCD and Raabin are the references; the other fifths calibrate.
At home all but a twentieth of PBC's val split calibrate and the rest is measured, in turn. TECOM,
RVPBS, PBITES and JHU are laboratories the model has not seen. Expected accuracy: as shipped, and
with a line fitted without the laboratory, beside other estimators.

    python -m benchmarks.trust [--model FILE] [--work FOLDER] [--swap N]
"""

from __future__ import annotations

import argparse
import hashlib
import time
from dataclasses import fields
from functools import cached_property
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks import odd_pictures as odd
from benchmarks.laboratories import SETS, Set, draw, load_set
from benchmarks.report import table, write_section
from index.taxonomy import shipped_taxonomy
from retrieval.answers.calibration import Answers
from retrieval.answers.tree import Ancestry
from retrieval.described import Described
from retrieval.evaluation import calibration as met
from retrieval.evaluation.intervals import wilson_interval
from retrieval.folder import Folder, FolderReading, Space, adapt, read_folder
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.trust import Judge, Known, Laboratory, NoveltyModel, OwnLabels, Readings
from retrieval.trust.alarm import sound_alarm
from retrieval.trust.expected import AS_FOLDER, certainty_of
from retrieval.trust.novelty import ALERT

SOURCES = ("pbc", "bccd", "raabin")
STRANGE = ("tecom", "rvpbs", "pbites", "jhu")
A_CLASS = 300  # references of a class and set
ASIDE = 5  # each fifth cell of a source without a val split calibrates
DRAWS = 10
FOLDS = 20  # of PBC's val split: all but one calibrate, one is measured


class Bench:
    """The sets as one model describes them, and what the references say."""

    def __init__(self, sets: dict[str, Set], space: Space) -> None:
        self.sets, self.space, self.codes = sets, space, space.score_classes
        self.ancestry = Ancestry.of(shipped_taxonomy(), self.codes)
        parts, column, names = [], [], []
        for name in SOURCES:
            held = sets[name]
            free = held.references.copy()
            if name != "pbc":  # no val split: each fifth is set aside, as an atlas does
                free[::ASIDE] = False
            rows = [np.flatnonzero(free & (held.classes == c)) for c in np.unique(held.classes)]
            chosen = np.sort(np.concatenate([r[:: max(len(r) // A_CLASS, 1)] for r in rows]))
            parts.append(held.cells[chosen])
            column.append(held.classes[chosen])
            names += [name] * len(chosen)
        self.voters, self.columns = Described.joined(parts), np.concatenate(column)
        self.names = names
        self.val = np.flatnonzero(~sets["pbc"].references)

    def read(self, cells: Described) -> FolderReading:
        """What the references say of a folder of ``cells``."""
        return read_folder(
            cells, self.voters, self.columns, self.codes, self.space, groups=self.names
        )

    @cached_property
    def home(self) -> FolderReading:
        """What is said of PBC's val split as one folder."""
        return self.read(self.sets["pbc"].cells[self.val])

    @cached_property
    def others(self) -> list[Known]:
        """What was set aside of the other sources."""
        found = []
        for name in SOURCES[1:]:
            held = self.sets[name]
            rows = np.arange(len(held))[::ASIDE]
            reading = self.read(held.cells[rows])
            readings = Readings(reading.probabilities, reading.alone)
            found.append(Known(name, held.cells[rows], held.classes[rows], readings))
        return found

    def judge(self, places: np.ndarray) -> Judge:
        """The judge that these ``places`` of PBC's val split teach."""
        held, rows = self.sets["pbc"], self.val[places]
        readings = Readings(self.home.probabilities[places], self.home.alone[places])
        known = [Known("pbc", held.cells[rows], held.classes[rows], readings), *self.others]
        widths = [width for _, width in self.space.parts]
        return Judge(self.ancestry, self.voters, self.columns, self.names, known, widths=widths)


def figures(said: Answers, truth: np.ndarray) -> dict[str, float]:
    """Accuracy, ECE, coverage, set size, empty sets, accepted and right among them."""
    right = said.top == truth
    taken = said.decision == "accept"
    size = said.members.sum(axis=1)
    p = said.probabilities
    return {
        "accuracy": float(right.mean()),
        "ece": met.calibration_metrics(p, truth).ece_equal_mass,
        "floor": noise_floor(p, np.random.default_rng(0)),
        "coverage": float(said.members[np.arange(len(truth)), truth].mean()),
        "size": float(size.mean()),
        "empty": float((size == 0).mean()),
        "taken": int(taken.sum()),
        "taken_right": int(right[taken].sum()),
        "novel": float((said.novelty > ALERT).mean()),
    }


def part(said: Answers, rows: np.ndarray) -> Answers:
    """The answers on some ``rows``."""
    return Answers(*(getattr(said, each.name)[rows] for each in fields(said)))


def noise_floor(p: np.ndarray, rng: np.random.Generator, draws: int = 20) -> float:
    """The ECE that perfectly honest probabilities [N, C] would show on so few cells."""
    stated = p.max(axis=1)
    honest = [met.equal_mass_bins(stated, rng.uniform(size=len(p)) < stated) for _ in range(draws)]
    return float(np.mean([met.expected_calibration_error(bins) for bins in honest]))


def at_home(bench: Bench) -> list[list[object]]:
    """Rows of the table of PBC."""
    held, home = bench.sets["pbc"], bench.home
    places = np.random.default_rng(0).permutation(len(bench.val))
    found, truths = [], []
    for fold in range(FOLDS):
        measured = places[fold::FOLDS]
        rows = bench.val[measured]
        judge = bench.judge(np.setdiff1d(places, measured))
        readings = Readings(home.probabilities[measured], home.alone[measured])
        found.append(judge.judge(held.cells[rows], readings).answers)
        truths.append(held.classes[rows])
    joined = [np.concatenate([getattr(a, f.name) for a in found]) for f in fields(found[0])]
    truth = np.concatenate(truths)
    total = figures(Answers(*joined), truth)
    taken, right = int(total["taken"]), int(total["taken_right"])
    span = wilson_interval(right, taken)
    return [
        ["accuracy, whole folder", f"{total['accuracy']:.4f}", "≥ .985"],
        ["accepted", f"{taken / len(truth):.3f}", "≥ .85"],
        ["right among accepted", f"{right / max(taken, 1):.4f} ({span.low:.4f}–{span.high:.4f})",
         "≥ .997"],
        ["conformal coverage at .95", f"{total['coverage']:.3f}", ".94–.96"],
        ["classes a set (empty sets)", f"{total['size']:.2f} ({total['empty']:.3f})", ""],
        ["ECE, equal mass (of honest ones)", f"{total['ece']:.4f} ({total['floor']:.4f})",
         "≤ .015"],
        ["known cells above the alert", f"{total['novel']:.3f}", ".05"],
    ]  # fmt: skip


def elsewhere(bench: Bench, judge: Judge) -> list[list[object]]:
    """A row a laboratory: without labels, and with ten a class."""
    rows: list[list[object]] = []
    for name in STRANGE:
        held = bench.sets[name]
        everything = np.arange(len(held))
        folder = Folder(held.cells, bench.space)
        reading = bench.read(held.cells)
        readings = Readings(reading.probabilities, reading.alone)
        blind = figures(judge.judge(held.cells, readings).answers, held.classes)
        found = []
        for seed in range(DRAWS):
            mine = draw(held.classes, 10, seed)
            taught = adapt(
                folder, mine, held.classes[mine], bench.codes, start=reading.probabilities
            )
            if taught.held_out is None or taught.probabilities is None:
                raise ValueError("a fresh adaptation holds its probabilities")
            judged = taught.held_out.sum(axis=1) > 0
            labels = OwnLabels(mine[judged], held.classes[mine][judged], taught.held_out[judged])
            said = judge.judge(
                held.cells, Readings(taught.probabilities, reading.alone), labels=labels
            )
            rest = np.setdiff1d(everything, mine)
            found.append(figures(part(said.answers, rest), held.classes[rest]))
        ten = {key: float(np.mean([each[key] for each in found])) for key in found[0]}
        rows.append(
            [
                name.upper(), f"{blind['accuracy']:.3f}", f"{blind['coverage']:.3f}",
                f"{blind['size']:.2f}", f"{blind['ece']:.3f}", f"{ten['accuracy']:.3f}",
                f"{ten['coverage']:.3f}", f"{ten['size']:.2f}",
                f"{ten['ece']:.3f} ({ten['floor']:.3f})",
            ]
        )  # fmt: skip
    return rows


def novelty(bench: Bench, strange: dict[str, Described]) -> list[list[object]]:
    """AUROC of every class left out and of every kind of picture that is no known cell."""
    held = bench.sets["pbc"]
    home = np.asarray(bench.names) == "pbc"
    voters, column = bench.voters[np.flatnonzero(home)], bench.columns[home]
    known, asked = bench.val[::2], bench.val[1::2]
    truth = held.classes[asked]

    def model(without: int) -> NoveltyModel:
        rows = np.flatnonzero(column != without)
        mine = known[held.classes[known] != without]
        return NoveltyModel.learn(
            voters.vectors[rows],
            column[rows],
            features=voters.features[rows],
            known=held.cells.vectors[mine],
            known_features=held.cells.features[mine],
        )

    rows: list[list[object]] = []
    every: list[float] = []
    for c, code in enumerate(bench.codes):
        score = model(c).score(held.cells.vectors[asked], held.cells.features[asked])
        every.append(float(roc_auc_score(truth == c, score)))
        above = float((score[truth == c] > ALERT).mean())
        rows.append([f"{code} left out", f"{every[-1]:.3f}", f"{above:.2f}"])
    whole = model(-1)
    begun = time.perf_counter()
    ordinary = whole.score(held.cells.vectors[asked], held.cells.features[asked])
    cost = (time.perf_counter() - begun) / len(asked) * 1000
    for name, cells in strange.items():
        score = whole.score(cells.vectors, cells.features)
        sides = np.repeat([0, 1], [len(ordinary), len(score)])
        every.append(float(roc_auc_score(sides, np.concatenate([ordinary, score]))))
        rows.append([name, f"{every[-1]:.3f}", f"{float((score > ALERT).mean()):.2f}"])
    rows.append(["median", f"{np.median(every):.3f}", "target ≥ .95"])
    rows.append(["worst", f"{min(every):.3f}", "target ≥ .88"])
    rows.append(["time, beside describing", f"{cost:.2f} ms a cell", "≤ 20"])
    return rows


def alarms(bench: Bench) -> list[list[object]]:
    """How often other laboratories, and halves of one, are flagged."""
    width = bench.space.parts[-1][1]
    samples = {}
    for name, held in bench.sets.items():
        rows = bench.val if name == "pbc" else np.arange(len(held))
        answers = bench.read(held.cells[rows]).probabilities.argmax(axis=1)
        samples[name] = (held.cells.features[rows, -width:], answers)

    def sample(name: str, rows: np.ndarray) -> Laboratory:
        features, answers = samples[name]
        return Laboratory(name, features[rows], answers=answers[rows])

    table_rows: list[list[object]] = []
    for size in (50, 200):
        flagged, distances, halves = [], [], []
        for one, other in permutations(samples, 2):
            order = np.random.default_rng(0).permutation(len(samples[one][1]))[:size]
            known = sample(other, np.arange(len(samples[other][1])))
            alarm = sound_alarm(sample(one, order), [known])
            flagged.append(bool(alarm.unlike))
            distances.append(alarm.likenesses[0].distance)
        for name in samples:
            for seed in range(20):
                order = np.random.default_rng(seed).permutation(len(samples[name][1]))
                cut = min(size, len(order) // 2)
                alarm = sound_alarm(
                    sample(name, order[:cut]), [sample(name, order[cut:])], seed=seed
                )
                halves.append(bool(alarm.unlike))
        table_rows.append(
            [size, f"{np.mean(flagged):.1%} of {len(flagged)}", f"{min(distances):.2f}",
             f"{np.mean(halves):.1%} of {len(halves)}"]
        )  # fmt: skip
    return table_rows


def expectation(bench: Bench) -> list[list[object]]:
    """Expected and real accuracy a laboratory; mean absolute errors of all estimators."""
    held = bench.sets["pbc"]
    home = bench.home
    right = home.probabilities.argmax(axis=1) == held.classes[bench.val]
    surest = home.probabilities.max(axis=1)
    threshold = np.quantile(surest, 1 - right.mean())
    names = ("pbc", *SETS[1:])
    real, certain, rival = [], [], []
    for name in names:
        which = bench.val if name == "pbc" else np.arange(len(bench.sets[name]))
        reading = home if name == "pbc" else bench.read(bench.sets[name].cells)
        p, truth = reading.probabilities, bench.sets[name].classes[which]
        real.append(float((p.argmax(axis=1) == truth).mean()))
        certain.append(certainty_of(p))
        agree = (p.argmax(axis=1) == reading.alone.argmax(axis=1)).mean()
        rival.append(
            [
                p.max(axis=1).mean() + right.mean() - surest.mean(),
                (p.max(axis=1) >= threshold).mean(),
                agree,
            ]
        )
    logit = np.log(np.array(certain) / (1 - np.array(certain)))
    goal = np.array(real)
    others = np.array(rival, dtype=float)
    doc = np.clip(others[:, 0], 0.02, 0.995)
    shipped = (1 / (1 + np.exp(-(AS_FOLDER[0] + AS_FOLDER[1] * logit))) + doc) / 2
    lines = [_line(np.delete(logit, i), np.delete(goal, i), logit[i]) for i in range(len(names))]
    left_out = (np.array(lines) + doc) / 2
    rows: list[list[object]] = [
        [name.upper(), f"{goal[i]:.3f}", f"{shipped[i]:.3f}", f"{left_out[i]:.3f}",
         *(f"{value:.3f}" for value in others[i])]
        for i, name in enumerate(names)
    ]  # fmt: skip
    unseen = np.isin(names, STRANGE)
    errors: list[list[object]] = []
    for whom, mask in (("all seven", unseen | True), ("the four never seen", unseen)):
        columns = [shipped, left_out, *others.T]
        means = [np.abs(np.clip(c, 0, 1) - goal)[mask].mean() for c in columns]
        errors.append([f"mean absolute error, {whom}", "", *(f"{m:.3f}" for m in means)])
    return rows + errors


def _line(logit: np.ndarray, accuracy: np.ndarray, asked: float) -> float:
    """Accuracy at ``asked`` by the least-squares line through the others, on logits."""
    held = np.clip(accuracy, 0.02, 0.985)
    slope, constant = np.polyfit(logit, np.log(held / (1 - held)), 1)
    return float(1 / (1 + np.exp(-(constant + slope * asked))))


def swaps(bench: Bench, model: Model, count: int) -> list[list[object]]:
    """Accuracy on val cells as they are, and on backgrounds of the same and of another class."""
    if model.finder is None:
        return []
    pictures, names = odd.val_pictures(count)
    taxonomy = shipped_taxonomy()
    truth = np.array([bench.codes.index(taxonomy.resolve(name).code) for name in names])
    ways = {"as they are": pictures}
    for word, same in (("of its own class", True), ("of another class", False)):
        ways[f"background {word}"] = odd.swapped(model.finder, pictures, names, same)
    rows: list[list[object]] = []
    for name, given in ways.items():
        alone = bench.read(odd.describe(model, given)).alone
        right = int((alone.argmax(axis=1) == truth).sum())
        span = wilson_interval(right, len(truth))
        rows.append([name, f"{right / len(truth):.4f} ({span.low:.4f}–{span.high:.4f})"])
    return rows


def body(bench: Bench, strange: dict[str, Described], swap: list[list[object]]) -> str:
    """All tables."""
    judge = bench.judge(np.arange(len(bench.val)))
    parts = [
        "At home: PBC val, read as one folder; 19 parts calibrate, the 20th is measured, in turn.",
        table(("figure", "measured", "target"), at_home(bench)),
        "Laboratories never seen, cell by cell of the whole set; ten labels: mean of ten draws, "
        "on the other cells. ECE in brackets: of honest probabilities on as few cells.",
        table(("", "no label: right", "coverage", "classes a set", "ECE", "ten labels: right",
               "coverage", "classes a set", "ECE"), elsewhere(bench, judge)),
        "Novelty against PBC: area under the ROC curve, and share above the alert.",
        table(("", "AUROC", "above alert"), novelty(bench, strange)),
        "Alarm: every set against every other, and random halves of each.",
        table(("cells", "others flagged", "least distance", "halves flagged"), alarms(bench)),
        "Accuracy to expect without labels, the folder read as a whole.",
        table(("", "real", "as shipped", "line without it", "confidence (DoC)", "above (ATC)",
               "agreement (GDE)"), expectation(bench)),
    ]  # fmt: skip
    if swap:
        parts += ["Backgrounds swapped, PBC val, one picture at a time (drop ≤ .01).",
                  table(("", "accuracy (95% interval)"), swap)]  # fmt: skip
    return "\n\n".join(parts)


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=shipped_model_path())
    parser.add_argument("--work", type=Path, help="folder to keep; default a temporary one")
    parser.add_argument("--swap", type=int, default=2081, help="val cells on other backgrounds")
    options = parser.parse_args()
    model = load_model(options.model)
    if not model.score_classes:
        raise SystemExit("benchmarks.trust: the model has no class scores, give one of format 2")
    with TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        sets = {name: load_set(name, model, work) for name in SETS}
    bench = Bench(sets, Space(model.feature_parts, model.score_classes))
    held = [s.cells.vectors.tobytes() + s.classes.tobytes() for s in sets.values()]
    digest = hashlib.sha256(b"".join(held))
    text = body(bench, odd.strange_pictures(model), swaps(bench, model, options.swap))
    write_section(
        "trust", "How far to trust an answer", f"python -m benchmarks.trust --swap {options.swap}",
        text, seed=0, data_hash=digest.hexdigest(),
    )  # fmt: skip


if __name__ == "__main__":
    main()

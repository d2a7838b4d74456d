"""A folder as a whole: what all its cells together say of each.

Three answers are made without a label: each cell alone, the same diffused over the folder's own
neighbours, and what the folder teaches itself from there. The last helps most folders and harms
some, most of all where classes are missing or rare. How much of it is believed is decided by a
witness: in the features of the network that was never taught these classes, do neighbours agree
with each other more under the one answer or under the other? And by whether the shares of the
classes move far, or the cells spread over more classes than before, as happens where a folder
teaches itself classes that are not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import entropy

from retrieval.described import Described
from retrieval.folder.errors import FolderError
from retrieval.folder.folder import Folder
from retrieval.folder.graph import neighbours, shares
from retrieval.folder.readout import read_alone, spread_rows
from retrieval.folder.space import Booleans, Floats, Integers, Space, centred
from retrieval.folder.teaching import teach_itself

FEWEST = 50  # pictures from which a folder is read as a whole
ALPHA = 0.9  # how far the scores of single cells are diffused
MOST_BELIEF = 0.8  # weight of what the folder taught itself where nothing speaks against it

# Chosen on folders drawn from four development laboratories (whole, small, without two classes,
# with the shares of blood), see docs/new-laboratory.md.
AGREEMENT, AGREEMENT_WIDTH = -0.04, 0.012  # gain in agreement at which half of it is believed
SHIFT, SHIFT_WIDTH = 0.13, 0.02  # shift of the classes' shares at which half is believed
SPREAD, SPREAD_WIDTH = 0.06, 0.03  # rise in the entropy of the shares at which half is believed
WITNESSES = 8  # neighbours asked


@dataclass(frozen=True)
class FolderReading:
    """What is said of N cells of one folder, over C classes.

    probabilities: [N, C] float32, rows sum to 1; informed by the folder where ``way`` is "folder",
    else ``alone``. alone: [N, C], each cell by itself. disagreement: share of cells, 0..1, whose
    most probable class differs between the two. belief: 0..1, the weight of what the folder taught
    itself. agreement, spread: what decided that (see the module).
    """

    probabilities: Floats
    alone: Floats
    way: str
    disagreement: float
    belief: float = 0.0
    agreement: float = 0.0
    spread: float = 0.0


def read_folder(
    cells: Described,
    references: Described,
    reference_classes: Integers,
    classes: Sequence[str],
    space: Space,
    *,
    allowed: Sequence[str] | None = None,
    groups: Sequence[str | None] | None = None,
) -> FolderReading:
    """Read N ``cells`` of one laboratory with R labelled ``references`` of others.

    reference_classes: [R] number of each reference's class in ``classes`` [C]. allowed: codes of
    the classes that can occur, by default all. groups: [R] the data set of each reference, so that
    none outweighs the others. Raises FolderError.
    """
    folder = Folder(cells, space)
    reading = read_prepared(
        folder, references, reference_classes, classes, allowed=allowed, groups=groups
    )
    return reading


def read_prepared(
    folder: Folder,
    references: Described,
    reference_classes: Integers,
    classes: Sequence[str],
    *,
    allowed: Sequence[str] | None = None,
    groups: Sequence[str | None] | None = None,
) -> FolderReading:
    """``read_folder`` for a folder that is prepared; answers in the order its cells were given."""
    columns = np.asarray(reference_classes, dtype=np.int64)
    folder.space.check(references)
    can = allowed_columns(classes, allowed)
    chosen = spread_rows(references, columns, groups)
    alone = read_alone(
        folder.cells, references[chosen], columns[chosen], classes, folder.space, can
    )
    if len(folder) < FEWEST:
        own = folder.outside(alone)
        return FolderReading(own, own, "alone", 0.0)
    diffused = shares(folder.diffuse(alone, ALPHA)) * can[None, :]
    taught = teach_itself(folder, diffused) * can[None, :]
    belief, agreement, spread = believe(folder, diffused, taught)
    informed = shares((1 - belief) * diffused + belief * taught)
    informed = np.where(can[None, :], informed, 0).astype(np.float32)
    differ = float((informed.argmax(axis=1) != alone.argmax(axis=1)).mean())
    return FolderReading(
        folder.outside(informed),
        folder.outside(alone),
        "folder",
        differ,
        belief,
        agreement,
        spread,
    )


def allowed_columns(classes: Sequence[str], allowed: Sequence[str] | None) -> Booleans:
    """[C] bool: which of ``classes`` can be answered; FolderError where one is not among them."""
    if allowed is None:
        return np.ones(len(classes), dtype=bool)
    unknown = [code for code in allowed if code not in classes]
    if unknown or not allowed:
        raise FolderError(
            f"allowed classes are {', '.join(allowed) or 'none'}, known are {', '.join(classes)}",
            "declare classes that can be answered",
        )
    return np.isin(np.asarray(classes), np.asarray(allowed))


def believe(folder: Folder, diffused: Floats, taught: Floats) -> tuple[float, float, float]:
    """(weight of ``taught`` 0..MOST_BELIEF, gain in agreement -1..1, rise of entropy in nats)."""
    witness = centred(folder.space.blocks(folder.cells)[-1:])
    _, near = neighbours(witness, WITNESSES)
    before, after = diffused.argmax(axis=1), taught.argmax(axis=1)
    gain = float((after[near] == after[:, None]).mean() - (before[near] == before[:, None]).mean())
    classes = diffused.shape[1]
    count = [np.bincount(top, minlength=classes) / len(top) for top in (before, after)]
    shift = float(np.abs(count[0] - count[1]).sum() / 2)
    spread = float(entropy(count[1]) - entropy(count[0]))
    weight = expit((gain - AGREEMENT) / AGREEMENT_WIDTH) * expit((SPREAD - spread) / SPREAD_WIDTH)
    weight *= expit((SHIFT - shift) / SHIFT_WIDTH)
    return float(MOST_BELIEF * weight), gain, spread

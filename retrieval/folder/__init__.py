"""Cells of one laboratory read together, and adapted to from a few labels.

Arrays in, arrays out: no atlas, no network. Letters: N cells of the laboratory, R references, n
labelled cells, D embedding width, E feature width, C classes.
"""

from retrieval.folder.adapting import Adaptation, adapt
from retrieval.folder.choosing import choose_cells
from retrieval.folder.errors import AdaptError, FolderError
from retrieval.folder.fitting import Way
from retrieval.folder.folder import Folder, points_by_group
from retrieval.folder.reading import FEWEST, FolderReading, read_folder, read_prepared
from retrieval.folder.space import Space

__all__ = [
    "FEWEST",
    "AdaptError",
    "Adaptation",
    "Folder",
    "FolderError",
    "FolderReading",
    "Space",
    "Way",
    "adapt",
    "choose_cells",
    "points_by_group",
    "read_folder",
    "read_prepared",
]

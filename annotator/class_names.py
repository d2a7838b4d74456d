"""The names of the classes that CellKin brings, in the reader's language; for display alone.

Codes, exports and what is stored keep the taxonomy's own names, and a class that somebody added
keeps the name it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.language import gettext as _
from annotator.language import mark

if TYPE_CHECKING:
    from index.taxonomy import Node

SHIPPED = frozenset(
    (
        mark("Cell"),
        mark("Leukocyte"),
        mark("Granulocyte"),
        mark("Neutrophil"),
        mark("Band neutrophil"),
        mark("Segmented neutrophil"),
        mark("Eosinophil"),
        mark("Basophil"),
        mark("Immature granulocyte"),
        mark("Promyelocyte"),
        mark("Myelocyte"),
        mark("Metamyelocyte"),
        mark("Lymphocyte"),
        mark("Variant lymphocyte"),
        mark("Large granular lymphocyte"),
        mark("Prolymphocyte"),
        mark("Hairy cell"),
        mark("Plasma cell"),
        mark("Monocyte"),
        mark("Promonocyte"),
        mark("Macrophage"),
        mark("Blast"),
        mark("Myeloblast"),
        mark("Monoblast"),
        mark("Lymphoblast"),
        mark("Not a leukocyte"),
        mark("Erythroblast"),
        mark("Proerythroblast"),
        mark("Basophilic erythroblast"),
        mark("Polychromatic erythroblast"),
        mark("Orthochromatic erythroblast"),
        mark("Platelet"),
        mark("Giant platelet"),
        mark("Platelet aggregate"),
        mark("Erythrocyte"),
        mark("Smudge cell"),
        mark("Artifact"),
    )
)


def class_name(node: Node) -> str:
    """What a reader sees as the name of ``node``."""
    return name_shown(node.name)


def name_shown(name: str) -> str:
    """What a reader sees for the taxonomy's ``name`` of a class."""
    return _(name) if name in SHIPPED else name

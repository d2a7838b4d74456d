"""A seeded painter of stained blood cells, for the demo, the documentation and the tests."""

from retrieval.painter.paint import (
    KINDS,
    PBC_CLASSES,
    PaintedField,
    PaintError,
    paint_cell,
    paint_dataset,
    paint_field,
    painted_kind,
)
from retrieval.painter.stains import LABORATORIES, Laboratory, LaboratoryError

__all__ = [
    "KINDS",
    "LABORATORIES",
    "PBC_CLASSES",
    "Laboratory",
    "LaboratoryError",
    "PaintError",
    "PaintedField",
    "paint_cell",
    "paint_dataset",
    "paint_field",
    "painted_kind",
]

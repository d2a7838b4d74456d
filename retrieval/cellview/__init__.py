"""The cell view: find the cell, centre it, scale it, bring the background to one white."""

from retrieval.cellview.finder import CellFinder, Finding
from retrieval.cellview.network import CellUNet
from retrieval.cellview.view import CellView, laboratory_diameter

__all__ = ["CellFinder", "CellUNet", "CellView", "Finding", "laboratory_diameter"]

"""Sheets: batches of alike cells proposed as one class, accepted by one action where that is safe.

Imports neither torch nor Flask; see docs/sheets.md.
"""

from __future__ import annotations

from annotator.sheets.making import Maker, Settings
from annotator.sheets.plan import Aim, Plan, Record
from annotator.sheets.work import Checked, Round, Sheets

__all__ = ["Aim", "Checked", "Maker", "Plan", "Record", "Round", "Settings", "Sheets"]

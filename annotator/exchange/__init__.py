"""Labels and pictures out of an atlas and labels into it, in the formats others read.

``FORMATS`` in ``annotator.exchange.formats`` is the one list of formats. Imports neither torch nor
Flask.
"""

from __future__ import annotations

from annotator.exchange.tables import LOG, PRESENT, csv_rows, log_csv, present_csv
from annotator.exchange.taking import ImportReport, take_rows

__all__ = ["LOG", "PRESENT", "ImportReport", "csv_rows", "log_csv", "present_csv", "take_rows"]

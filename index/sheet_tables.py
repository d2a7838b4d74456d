"""The tables of sheets: batches of alike cells proposed as one class, and what became of each."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, Table, Text

from index.schema import metadata

MIGRATION = (
    # A sheet is kept from the moment it is proposed, so that one begun survives the end of the
    # program. `parent_id` is the sheet that a failed purity check split.
    """CREATE TABLE sheet_batches (
        id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL,
        dataset TEXT, class_code TEXT NOT NULL REFERENCES classes(code), model_id TEXT,
        state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'split', 'undone', 'dropped')),
        target REAL NOT NULL CHECK (target BETWEEN 0 AND 1),
        confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
        catch_rate REAL NOT NULL CHECK (catch_rate BETWEEN 0 AND 1),
        parent_id INTEGER REFERENCES sheet_batches(id), made TEXT NOT NULL, decided TEXT)""",
    "CREATE INDEX sheet_batches_open ON sheet_batches (author) WHERE state = 'open'",
    """CREATE TABLE sheet_cells (
        sheet_id INTEGER NOT NULL REFERENCES sheet_batches(id),
        cell_id INTEGER NOT NULL REFERENCES cells(id), position INTEGER NOT NULL,
        part TEXT NOT NULL CHECK (part IN ('shown', 'folded')), checked BOOLEAN NOT NULL,
        sure BOOLEAN NOT NULL, probability REAL NOT NULL CHECK (probability BETWEEN 0 AND 1),
        verdict TEXT CHECK (verdict IN
            ('passed', 'failed', 'kept', 'corrected', 'taken_out', 'left')),
        label_id INTEGER REFERENCES labels(id), PRIMARY KEY (sheet_id, cell_id)) WITHOUT ROWID""",
    "CREATE INDEX sheet_cells_cell ON sheet_cells (cell_id)",
)
# A known cell of another class among those shown, to see whether the reader notices: its class.
PLANTED = ("ALTER TABLE sheet_cells ADD COLUMN planted TEXT REFERENCES classes(code)",)
# The adaptation by which the cells of a sheet are proposed as its class.
ADAPTED = ("ALTER TABLE sheet_batches ADD COLUMN adaptation_id INTEGER REFERENCES adaptations(id)",)
# What of a sheet is kept when its acceptance is taken back, and what brings a sheet to the front.
# `was` is the verdict that was taken back, `draft` what the reader gave the cell: a class, or ''
# for out; `wanted` when a reader asked for this very sheet, `said` whether
# its class is the word of a reader. Two verdicts are new: a check that was
# skipped, and a cell that the program took out, so the table is made anew.
KEPT_WHEN_UNDONE = (
    """CREATE TABLE sheet_cells_new (
        sheet_id INTEGER NOT NULL REFERENCES sheet_batches(id),
        cell_id INTEGER NOT NULL REFERENCES cells(id), position INTEGER NOT NULL,
        part TEXT NOT NULL CHECK (part IN ('shown', 'folded')), checked BOOLEAN NOT NULL,
        sure BOOLEAN NOT NULL, probability REAL NOT NULL CHECK (probability BETWEEN 0 AND 1),
        verdict TEXT CHECK (verdict IN ('passed', 'failed', 'skipped', 'kept', 'corrected',
            'taken_out', 'moved', 'left')),
        label_id INTEGER REFERENCES labels(id), planted TEXT REFERENCES classes(code),
        was TEXT, draft TEXT, PRIMARY KEY (sheet_id, cell_id)) WITHOUT ROWID""",
    """INSERT INTO sheet_cells_new (sheet_id, cell_id, position, part, checked, sure, probability,
            verdict, label_id, planted)
        SELECT sheet_id, cell_id, position, part, checked, sure, probability, verdict, label_id,
            planted FROM sheet_cells""",
    "DROP TABLE sheet_cells",
    "ALTER TABLE sheet_cells_new RENAME TO sheet_cells",
    "CREATE INDEX sheet_cells_cell ON sheet_cells (cell_id)",
    "ALTER TABLE sheet_batches ADD COLUMN wanted TEXT",
    "ALTER TABLE sheet_batches ADD COLUMN said BOOLEAN NOT NULL DEFAULT 0",
    "ALTER TABLE sheet_batches ADD COLUMN selection_id TEXT REFERENCES explore_selections(id)",
)

batches = Table(
    "sheet_batches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("author", Text),
    Column("dataset", Text),
    Column("class_code", Text, ForeignKey("classes.code")),
    Column("model_id", Text),
    Column("state", Text),
    Column("target", Float),
    Column("confidence", Float),
    Column("catch_rate", Float),
    Column("parent_id", Integer, ForeignKey("sheet_batches.id")),
    Column("made", Text),
    Column("decided", Text),
    Column("adaptation_id", Integer, ForeignKey("adaptations.id")),
    Column("wanted", Text),
    Column("said", Boolean),
    Column("selection_id", Text, ForeignKey("explore_selections.id")),
)
members = Table(
    "sheet_cells",
    metadata,
    Column("sheet_id", Integer, ForeignKey("sheet_batches.id"), primary_key=True),
    Column("cell_id", Integer, ForeignKey("cells.id"), primary_key=True),
    Column("position", Integer),
    Column("part", Text),
    Column("checked", Boolean),
    Column("sure", Boolean),
    Column("probability", Float),
    Column("verdict", Text),
    Column("label_id", Integer, ForeignKey("labels.id")),
    Column("planted", Text, ForeignKey("classes.code")),
    Column("was", Text),
    Column("draft", Text),
)

"""The tables of reviewing: decisions, cells put aside, and the scale of a data set's pictures."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, Table, Text

from index.schema import metadata

MIGRATION = (
    # What a review decided, and all that stood before it: `former` lists the labels then standing,
    # `upto` is the newest label of the cells then, so that a later one opens the matter again.
    """CREATE TABLE review_decisions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, author TEXT NOT NULL,
        queue TEXT NOT NULL, cell_id INTEGER NOT NULL REFERENCES cells(id),
        other_id INTEGER REFERENCES cells(id), verdict TEXT NOT NULL
            CHECK (verdict IN ('adjudicated', 'kept', 'same', 'different', 'reopened')),
        label_id INTEGER REFERENCES labels(id), former TEXT NOT NULL, upto INTEGER NOT NULL,
        party BOOLEAN NOT NULL, note TEXT,
        CHECK ((verdict = 'adjudicated') = (label_id IS NOT NULL)))""",
    "CREATE INDEX review_decisions_cell ON review_decisions (cell_id)",
    """CREATE TRIGGER review_decisions_keep_update BEFORE UPDATE ON review_decisions
        BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END""",
    """CREATE TRIGGER review_decisions_keep_delete BEFORE DELETE ON review_decisions
        BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END""",
    """CREATE TABLE review_skipped (
        author TEXT NOT NULL, cell_id INTEGER NOT NULL REFERENCES cells(id), time TEXT NOT NULL,
        PRIMARY KEY (author, cell_id))""",
    """CREATE TABLE review_pixel_sizes (
        dataset_id INTEGER PRIMARY KEY REFERENCES datasets(id),
        micrometres REAL NOT NULL CHECK (micrometres > 0), author TEXT NOT NULL,
        time TEXT NOT NULL)""",
)

decisions = Table(
    "review_decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("time", Text),
    Column("author", Text),
    Column("queue", Text),
    Column("cell_id", Integer, ForeignKey("cells.id")),
    Column("other_id", Integer, ForeignKey("cells.id")),
    Column("verdict", Text),
    Column("label_id", Integer, ForeignKey("labels.id")),
    Column("former", JSON),
    Column("upto", Integer),
    Column("party", Boolean),
    Column("note", Text),
)
skipped = Table(
    "review_skipped",
    metadata,
    Column("author", Text, primary_key=True),
    Column("cell_id", Integer, ForeignKey("cells.id"), primary_key=True),
    Column("time", Text),
)
pixel_sizes = Table(
    "review_pixel_sizes",
    metadata,
    Column("dataset_id", Integer, ForeignKey("datasets.id"), primary_key=True),
    Column("micrometres", Float),
    Column("author", Text),
    Column("time", Text),
)

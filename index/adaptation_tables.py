"""The table of adaptations: what was read or learned of a data set, when, and from which labels."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Integer, Table, Text

from index.schema import metadata

MIGRATION = (
    # sight: through whose eyes the labels were seen, where some were hidden from that reader.
    """CREATE TABLE adaptations (
        id INTEGER PRIMARY KEY AUTOINCREMENT, model_id TEXT NOT NULL, dataset TEXT NOT NULL,
        fingerprint TEXT NOT NULL, labels TEXT NOT NULL, cells INTEGER NOT NULL,
        way TEXT NOT NULL, accuracy REAL CHECK (accuracy BETWEEN 0 AND 1),
        neighbour_accuracy REAL CHECK (neighbour_accuracy BETWEEN 0 AND 1), sight TEXT,
        seconds REAL NOT NULL CHECK (seconds >= 0), made TEXT NOT NULL)""",
    "CREATE INDEX adaptations_of ON adaptations (dataset, model_id, id)",
    """CREATE TRIGGER adaptations_keep_update BEFORE UPDATE ON adaptations
        BEGIN SELECT RAISE(ABORT, 'adaptations are append-only'); END""",
    """CREATE TRIGGER adaptations_keep_delete BEFORE DELETE ON adaptations
        BEGIN SELECT RAISE(ABORT, 'adaptations are append-only'); END""",
    # The adaptation that made the proposal a label answers.
    "ALTER TABLE label_facts ADD COLUMN adaptation_id INTEGER REFERENCES adaptations(id)",
)

adaptations = Table(
    "adaptations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", Text),
    Column("dataset", Text),
    Column("fingerprint", Text),
    Column("labels", JSON),
    Column("cells", Integer),
    Column("way", JSON),
    Column("accuracy", Float),
    Column("neighbour_accuracy", Float),
    Column("sight", Text),
    Column("seconds", Float),
    Column("made", Text),
)

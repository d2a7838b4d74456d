"""The tables of what models see in cells: where a cell lies in its picture, features, scores."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, LargeBinary, Table, Text

from index.schema import metadata

MIGRATION = (
    # In pixels of the picture as decoded. A finder is the part of a model that finds the cell:
    # models that share it share what it found.
    """CREATE TABLE cell_findings (
        finder_id TEXT NOT NULL, cell_id INTEGER NOT NULL REFERENCES cells(id) ON DELETE CASCADE,
        x REAL NOT NULL, y REAL NOT NULL, diameter REAL NOT NULL, nucleus REAL NOT NULL,
        r REAL NOT NULL, g REAL NOT NULL, b REAL NOT NULL, found BOOLEAN NOT NULL,
        others INTEGER NOT NULL, PRIMARY KEY (finder_id, cell_id)) WITHOUT ROWID""",
    # typical: the diameter of the data set's cells that the picture was scaled by.
    """CREATE TABLE cell_features (
        id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL REFERENCES models(id) ON DELETE CASCADE,
        cell_id INTEGER NOT NULL REFERENCES cells(id) ON DELETE CASCADE, typical REAL,
        features BLOB NOT NULL, scores BLOB NOT NULL, UNIQUE (model_id, cell_id))""",
)

findings = Table(
    "cell_findings",
    metadata,
    Column("finder_id", Text, primary_key=True),
    Column("cell_id", Integer, ForeignKey("cells.id"), primary_key=True),
    Column("x", Float),
    Column("y", Float),
    Column("diameter", Float),
    Column("nucleus", Float),
    Column("r", Float),
    Column("g", Float),
    Column("b", Float),
    Column("found", Boolean),
    Column("others", Integer),
)
features = Table(
    "cell_features",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", Integer, ForeignKey("models.id")),
    Column("cell_id", Integer, ForeignKey("cells.id")),
    Column("typical", Float),
    Column("features", LargeBinary),
    Column("scores", LargeBinary),
)

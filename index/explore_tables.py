"""The tables of exploring: selections, clusters, saved searches, and the words of cells.

``explore_texts`` is no table of the schema but SQLite's full text index (FTS5, trigrams) of what is
written about a cell; triggers keep it level with ``cells``. It answers "contains this text" without
reading the cells.
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, LargeBinary, Table, Text

from index.schema import metadata

# Lines: no text of one line can match across two of them.
_WORDS = """SELECT c.id, c.file || char(10) || ifnull(p.name, '') || char(10) || ifnull(s.name, '')
        || char(10) || d.name || char(10) || ifnull(c.field, '') || char(10) || ifnull(c.stain, '')
        || char(10) || ifnull(c.scanner, '')
        FROM cells c JOIN datasets d ON d.id = c.dataset_id
        LEFT JOIN patients p ON p.id = c.patient_id LEFT JOIN slides s ON s.id = c.slide_id"""

MIGRATION = (
    """CREATE TABLE explore_selections (
        id TEXT PRIMARY KEY, author TEXT NOT NULL, origin TEXT NOT NULL
            CHECK (origin IN ('map', 'cluster', 'spread', 'search', 'list')),
        title TEXT NOT NULL, class_code TEXT REFERENCES classes(code), cells BLOB NOT NULL,
        total INTEGER NOT NULL CHECK (total > 0), time TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE explore_clusterings (
        id INTEGER PRIMARY KEY AUTOINCREMENT, dataset_id INTEGER REFERENCES datasets(id),
        model_id INTEGER NOT NULL REFERENCES models(id), method TEXT NOT NULL,
        parameters TEXT NOT NULL, cells INTEGER NOT NULL, author TEXT NOT NULL,
        time TEXT NOT NULL)""",
    """CREATE TABLE explore_clusters (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        clustering_id INTEGER NOT NULL REFERENCES explore_clusterings(id), name TEXT,
        class_code TEXT REFERENCES classes(code), gone BOOLEAN NOT NULL DEFAULT 0)""",
    "CREATE INDEX explore_clusters_of ON explore_clusters (clustering_id)",
    """CREATE TABLE explore_members (
        clustering_id INTEGER NOT NULL REFERENCES explore_clusterings(id),
        cell_id INTEGER NOT NULL REFERENCES cells(id),
        cluster_id INTEGER NOT NULL REFERENCES explore_clusters(id),
        strength REAL NOT NULL CHECK (strength BETWEEN 0 AND 1),
        PRIMARY KEY (clustering_id, cell_id)) WITHOUT ROWID""",
    "CREATE INDEX explore_members_of ON explore_members (cluster_id)",
    """CREATE TABLE explore_refusals (
        cluster_id INTEGER NOT NULL REFERENCES explore_clusters(id),
        cell_id INTEGER NOT NULL REFERENCES cells(id), PRIMARY KEY (cluster_id, cell_id))
        WITHOUT ROWID""",
    # What was done to clusters, with all that is needed to take it back.
    """CREATE TABLE explore_steps (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        clustering_id INTEGER NOT NULL REFERENCES explore_clusterings(id), author TEXT NOT NULL,
        time TEXT NOT NULL, kind TEXT NOT NULL
            CHECK (kind IN ('name', 'grow', 'take_out', 'split', 'merge')),
        detail TEXT NOT NULL, undone BOOLEAN NOT NULL DEFAULT 0)""",
    "CREATE INDEX explore_steps_of ON explore_steps (clustering_id)",
    """CREATE TABLE explore_examples (
        id TEXT PRIMARY KEY, author TEXT NOT NULL, title TEXT NOT NULL,
        model_id INTEGER NOT NULL REFERENCES models(id), vector BLOB NOT NULL,
        picture BLOB NOT NULL, time TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE explore_searches (
        id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL, name TEXT NOT NULL,
        query TEXT NOT NULL, time TEXT NOT NULL, UNIQUE (author, name))""",
    "CREATE VIRTUAL TABLE explore_texts USING fts5(words, tokenize='trigram')",
    f"INSERT INTO explore_texts (rowid, words) {_WORDS}",
    f"""CREATE TRIGGER explore_texts_add AFTER INSERT ON cells BEGIN
        INSERT INTO explore_texts (rowid, words) {_WORDS} WHERE c.id = NEW.id; END""",
    f"""CREATE TRIGGER explore_texts_change
        AFTER UPDATE OF file, patient_id, slide_id, field, stain, scanner ON cells BEGIN
        DELETE FROM explore_texts WHERE rowid = OLD.id;
        INSERT INTO explore_texts (rowid, words) {_WORDS} WHERE c.id = NEW.id; END""",
)

TEXTS = "explore_texts"


def _link(name: str, target: str, primary: bool = False) -> Column:
    return Column(name, Integer, ForeignKey(target), primary_key=primary)


def _class_code() -> Column:
    return Column("class_code", Text, ForeignKey("classes.code"))


def _id(kind: type = Integer) -> Column:
    return Column("id", kind, primary_key=True)


def _table(name: str, *columns: Column) -> Table:
    return Table(f"explore_{name}", metadata, *columns)


selections = _table(
    "selections",
    _id(Text),
    Column("author", Text),
    Column("origin", Text),
    Column("title", Text),
    _class_code(),
    Column("cells", LargeBinary),
    Column("total", Integer),
    Column("time", Text),
)
clusterings = _table(
    "clusterings",
    _id(),
    _link("dataset_id", "datasets.id"),
    _link("model_id", "models.id"),
    Column("method", Text),
    Column("parameters", JSON),
    Column("cells", Integer),
    Column("author", Text),
    Column("time", Text),
)
clusters = _table(
    "clusters",
    _id(),
    _link("clustering_id", "explore_clusterings.id"),
    Column("name", Text),
    _class_code(),
    Column("gone", Boolean),
)
members = _table(
    "members",
    _link("clustering_id", "explore_clusterings.id", primary=True),
    _link("cell_id", "cells.id", primary=True),
    _link("cluster_id", "explore_clusters.id"),
    Column("strength", Float),
)
refusals = _table(
    "refusals",
    _link("cluster_id", "explore_clusters.id", primary=True),
    _link("cell_id", "cells.id", primary=True),
)
steps = _table(
    "steps",
    _id(),
    _link("clustering_id", "explore_clusterings.id"),
    Column("author", Text),
    Column("time", Text),
    Column("kind", Text),
    Column("detail", JSON),
    Column("undone", Boolean),
)
examples = _table(
    "examples",
    _id(Text),
    Column("author", Text),
    Column("title", Text),
    _link("model_id", "models.id"),
    Column("vector", LargeBinary),
    Column("picture", LargeBinary),
    Column("time", Text),
)
searches = _table(
    "searches",
    _id(),
    Column("author", Text),
    Column("name", Text),
    Column("query", JSON),
    Column("time", Text),
)

"""The tables of people: accounts, work assigned, leases, and checks of the reader's attention.

Tokens are kept as hashes only. Times of waiting (attempts, leases) are seconds since 1970, all
others ISO 8601 in UTC.
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, Table, Text

from index.schema import metadata

MIGRATION = (
    """CREATE TABLE people_sessions (
        token TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES users(name), added TEXT NOT NULL,
        expires REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE people_invites (
        token TEXT PRIMARY KEY, role TEXT NOT NULL, name TEXT REFERENCES users(name),
        author TEXT NOT NULL, added TEXT NOT NULL, expires REAL NOT NULL, used_by TEXT)
        WITHOUT ROWID""",
    """CREATE TABLE people_tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL REFERENCES users(name), title TEXT NOT NULL, added TEXT NOT NULL,
        revoked TEXT)""",
    """CREATE TABLE people_attempts (
        id INTEGER PRIMARY KEY, place TEXT NOT NULL, moment REAL NOT NULL)""",
    "CREATE INDEX people_attempts_place ON people_attempts (place, moment)",
    """CREATE TABLE people_assignments (
        id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, readers TEXT NOT NULL,
        unit TEXT NOT NULL CHECK (unit IN ('cell', 'slide', 'patient')),
        overlap REAL NOT NULL CHECK (overlap BETWEEN 0 AND 1), seed INTEGER NOT NULL,
        author TEXT NOT NULL, time TEXT NOT NULL, ended TEXT)""",
    """CREATE TABLE people_assigned (
        cell_id INTEGER NOT NULL REFERENCES cells(id), reader TEXT NOT NULL,
        assignment_id INTEGER NOT NULL REFERENCES people_assignments(id),
        PRIMARY KEY (cell_id, reader)) WITHOUT ROWID""",
    "CREATE INDEX people_assigned_reader ON people_assigned (reader, cell_id)",
    """CREATE TABLE people_leases (
        cell_id INTEGER PRIMARY KEY REFERENCES cells(id), reader TEXT NOT NULL,
        until REAL NOT NULL)""",
    """CREATE TABLE people_gold (
        cell_id INTEGER PRIMARY KEY REFERENCES cells(id),
        class_code TEXT NOT NULL REFERENCES classes(code), author TEXT NOT NULL,
        time TEXT NOT NULL)""",
    """CREATE TABLE people_checks (
        id INTEGER PRIMARY KEY AUTOINCREMENT, reader TEXT NOT NULL,
        cell_id INTEGER NOT NULL REFERENCES cells(id),
        kind TEXT NOT NULL CHECK (kind IN ('runner_up', 'gold', 'sheet')),
        shown_class TEXT REFERENCES classes(code), model_id TEXT, action INTEGER NOT NULL,
        time TEXT NOT NULL, answer_class TEXT REFERENCES classes(code), caught BOOLEAN,
        answered TEXT, label_id INTEGER REFERENCES labels(id))""",
    "CREATE INDEX people_checks_reader ON people_checks (reader, id)",
    "CREATE INDEX people_checks_open ON people_checks (reader, cell_id) WHERE answered IS NULL",
    "CREATE TABLE people_actions (reader TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
    # Readers' work is looked up by reader: what is theirs, what they have labelled.
    "CREATE INDEX labels_author ON labels (author, cell_id)",
    """CREATE TRIGGER events_keep_update BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER events_keep_delete BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)


def _user(name: str = "name") -> Column:
    return Column(name, Text, ForeignKey("users.name"))


def _cell(primary: bool = False) -> Column:
    return Column("cell_id", Integer, ForeignKey("cells.id"), primary_key=primary)


def _class(name: str) -> Column:
    return Column(name, Text, ForeignKey("classes.code"))


sessions = Table(
    "people_sessions",
    metadata,
    Column("token", Text, primary_key=True),
    _user(),
    Column("added", Text),
    Column("expires", Float),
)
invites = Table(
    "people_invites",
    metadata,
    Column("token", Text, primary_key=True),
    Column("role", Text),
    _user(),
    Column("author", Text),
    Column("added", Text),
    Column("expires", Float),
    Column("used_by", Text),
)
tokens = Table(
    "people_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token", Text),
    _user(),
    Column("title", Text),
    Column("added", Text),
    Column("revoked", Text),
)
attempts = Table(
    "people_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("place", Text),
    Column("moment", Float),
)
assignments = Table(
    "people_assignments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", JSON),
    Column("readers", JSON),
    Column("unit", Text),
    Column("overlap", Float),
    Column("seed", Integer),
    Column("author", Text),
    Column("time", Text),
    Column("ended", Text),
)
assigned = Table(
    "people_assigned",
    metadata,
    _cell(primary=True),
    Column("reader", Text, primary_key=True),
    Column("assignment_id", Integer, ForeignKey("people_assignments.id")),
)
leases = Table(
    "people_leases",
    metadata,
    _cell(primary=True),
    Column("reader", Text),
    Column("until", Float),
)
gold = Table(
    "people_gold",
    metadata,
    _cell(primary=True),
    _class("class_code"),
    Column("author", Text),
    Column("time", Text),
)
checks = Table(
    "people_checks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reader", Text),
    _cell(),
    Column("kind", Text),
    _class("shown_class"),
    Column("model_id", Text),
    Column("action", Integer),
    Column("time", Text),
    _class("answer_class"),
    Column("caught", Boolean),
    Column("answered", Text),
    Column("label_id", Integer, ForeignKey("labels.id")),
)
actions = Table(
    "people_actions",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("count", Integer),
)

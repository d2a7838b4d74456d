"""Named, ordered changes of the database, each in a transaction and recorded in the database.

A migration is never edited once it was released: a change of the tables is a new entry at the end
of MIGRATIONS, and of ``index.schema``. A test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import text

from index.adaptation_tables import MIGRATION as _ADAPTATIONS
from index.browse_tables import MIGRATION as _BROWSE
from index.database import APPLICATION_ID, Database
from index.describing_tables import MIGRATION as _DESCRIBING
from index.errors import AtlasDamagedError, AtlasTooNewError
from index.explore_tables import MIGRATION as _EXPLORE
from index.moment import now
from index.people_tables import MIGRATION as _ACCOUNTS
from index.review_tables import MIGRATION as _REVIEW
from index.sheet_tables import ADAPTED as _SHEETS_ADAPTED
from index.sheet_tables import KEPT_WHEN_UNDONE as _SHEETS_UNDONE
from index.sheet_tables import MIGRATION as _SHEETS
from index.sheet_tables import PLANTED as _PLANTED

_CATALOGUE = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    """CREATE TABLE classes (
        code TEXT PRIMARY KEY, position INTEGER NOT NULL, name TEXT NOT NULL,
        parent TEXT REFERENCES classes(code), level TEXT NOT NULL
            CHECK (level IN ('group', 'class', 'subclass')),
        short TEXT NOT NULL, ontology TEXT, aliases TEXT NOT NULL, colour TEXT NOT NULL,
        key TEXT, shipped BOOLEAN NOT NULL)""",
    """CREATE TABLE datasets (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, root TEXT NOT NULL,
        licence TEXT, citation TEXT, added TEXT NOT NULL)""",
    """CREATE TABLE patients (
        id INTEGER PRIMARY KEY AUTOINCREMENT, dataset_id INTEGER NOT NULL REFERENCES datasets(id),
        name TEXT NOT NULL, UNIQUE (dataset_id, name))""",
    """CREATE TABLE slides (
        id INTEGER PRIMARY KEY AUTOINCREMENT, dataset_id INTEGER NOT NULL REFERENCES datasets(id),
        patient_id INTEGER REFERENCES patients(id), name TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX slides_name ON slides (dataset_id, ifnull(patient_id, 0), name)",
    """CREATE TABLE cells (
        id INTEGER PRIMARY KEY AUTOINCREMENT, dataset_id INTEGER NOT NULL REFERENCES datasets(id),
        file TEXT NOT NULL, frame INTEGER NOT NULL DEFAULT 0, member TEXT, sha256 TEXT NOT NULL,
        width INTEGER NOT NULL CHECK (width > 0), height INTEGER NOT NULL CHECK (height > 0),
        patient_id INTEGER REFERENCES patients(id), slide_id INTEGER REFERENCES slides(id),
        stain TEXT, scanner TEXT, field TEXT, box_left INTEGER, box_top INTEGER,
        box_width INTEGER, box_height INTEGER,
        split TEXT CHECK (split IN ('train', 'val', 'test')), stored TEXT,
        flagged BOOLEAN NOT NULL DEFAULT 0, added TEXT NOT NULL, UNIQUE (dataset_id, sha256))""",
    "CREATE INDEX cells_file ON cells (dataset_id, file)",
    "CREATE INDEX cells_patient ON cells (patient_id)",
    "CREATE INDEX cells_slide ON cells (slide_id)",
)
_LABELS = (
    """CREATE TABLE labels (
        id INTEGER PRIMARY KEY AUTOINCREMENT, cell_id INTEGER NOT NULL REFERENCES cells(id),
        class_code TEXT NOT NULL REFERENCES classes(code), author TEXT NOT NULL,
        how TEXT NOT NULL CHECK (how IN ('imported', 'single', 'bulk', 'adjudicated', 'undo')),
        proposed_class TEXT REFERENCES classes(code),
        proposed_probability REAL CHECK (proposed_probability BETWEEN 0 AND 1), model_id TEXT,
        proposal_visible BOOLEAN, source TEXT, note TEXT, retracts INTEGER REFERENCES labels(id),
        time TEXT NOT NULL, CHECK ((how = 'undo') = (retracts IS NOT NULL)))""",
    "CREATE INDEX labels_cell ON labels (cell_id)",
    "CREATE INDEX labels_retracts ON labels (retracts) WHERE retracts IS NOT NULL",
    """CREATE TRIGGER labels_keep_update BEFORE UPDATE ON labels
        BEGIN SELECT RAISE(ABORT, 'labels are append-only'); END""",
    """CREATE TRIGGER labels_keep_delete BEFORE DELETE ON labels
        BEGIN SELECT RAISE(ABORT, 'labels are append-only'); END""",
    # Without this, INSERT OR REPLACE would take a label's place without firing the two above.
    """CREATE TRIGGER labels_keep_replace BEFORE INSERT ON labels
        WHEN EXISTS (SELECT 1 FROM labels WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'labels are append-only'); END""",
    """CREATE TABLE present_labels (
        cell_id INTEGER PRIMARY KEY REFERENCES cells(id),
        class_code TEXT REFERENCES classes(code), label_id INTEGER REFERENCES labels(id),
        author TEXT)""",
    "CREATE INDEX present_labels_class ON present_labels (class_code, cell_id)",
)
_MODELS = (
    """CREATE TABLE models (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, file TEXT NOT NULL,
        dimension INTEGER, metadata TEXT NOT NULL, added TEXT NOT NULL)""",
    """CREATE TABLE embeddings (
        id INTEGER PRIMARY KEY AUTOINCREMENT, model_id INTEGER NOT NULL REFERENCES models(id),
        cell_id INTEGER NOT NULL REFERENCES cells(id), vector BLOB NOT NULL,
        UNIQUE (model_id, cell_id))""",
    "CREATE INDEX embeddings_order ON embeddings (model_id, id)",
    """CREATE TABLE embedding_marks (
        last_id INTEGER PRIMARY KEY, model_id INTEGER NOT NULL REFERENCES models(id),
        total INTEGER NOT NULL, stamp TEXT NOT NULL)""",
    "CREATE INDEX embedding_marks_model ON embedding_marks (model_id, last_id)",
)
_PEOPLE = (
    """CREATE TABLE users (
        name TEXT PRIMARY KEY, full_name TEXT NOT NULL, role TEXT NOT NULL, password_hash TEXT,
        added TEXT NOT NULL)""",
    "CREATE TABLE documents (name TEXT PRIMARY KEY, value TEXT NOT NULL, changed TEXT NOT NULL)",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, author TEXT NOT NULL,
        action TEXT NOT NULL, cell_id INTEGER REFERENCES cells(id), detail TEXT NOT NULL)""",
    "CREATE INDEX events_cell ON events (cell_id) WHERE cell_id IS NOT NULL",
)
_LABEL_FACTS = (
    """CREATE TABLE label_facts (
        label_id INTEGER PRIMARY KEY REFERENCES labels(id),
        shown TEXT CHECK (shown IN ('blind', 'after_own', 'with_proposal')), policy TEXT,
        sheet_id INTEGER, seconds REAL CHECK (seconds >= 0), cell_version INTEGER,
        peers_visible BOOLEAN)""",
    "CREATE INDEX label_facts_sheet ON label_facts (sheet_id) WHERE sheet_id IS NOT NULL",
    """CREATE TRIGGER label_facts_keep_update BEFORE UPDATE ON label_facts
        BEGIN SELECT RAISE(ABORT, 'facts of labels are append-only'); END""",
    """CREATE TRIGGER label_facts_keep_delete BEFORE DELETE ON label_facts
        BEGIN SELECT RAISE(ABORT, 'facts of labels are append-only'); END""",
    """CREATE TRIGGER label_facts_keep_replace BEFORE INSERT ON label_facts
        WHEN EXISTS (SELECT 1 FROM label_facts WHERE label_id = NEW.label_id)
        BEGIN SELECT RAISE(ABORT, 'facts of labels are append-only'); END""",
)
_ASKED_BY = ("ALTER TABLE label_facts ADD COLUMN asked_by TEXT",)

MIGRATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("0001_catalogue", _CATALOGUE),
    ("0002_labels", _LABELS),
    ("0003_models", _MODELS),
    ("0004_people", _PEOPLE),
    ("0005_label_facts", _LABEL_FACTS),
    ("0005_review", _REVIEW),
    ("0006_sheets", _SHEETS),
    ("0007_people", _ACCOUNTS),
    ("0008_explore", _EXPLORE),
    ("0009_browse", _BROWSE),
    ("0010_describing", _DESCRIBING),
    ("0011_sheets_planted", _PLANTED),
    ("0012_adaptations", _ADAPTATIONS),
    ("0013_sheets_adapted", _SHEETS_ADAPTED),
    ("0014_asked_by", _ASKED_BY),
    ("0015_sheets_undone", _SHEETS_UNDONE),
)


def migrate(database: Database, upto: str | None = None) -> list[str]:
    """Bring the database to the newest form, or to migration ``upto``; returns what was applied.

    Raises AtlasTooNewError when the database holds a migration that is unknown here, and
    AtlasDamagedError when it is a database of something else.
    """
    done: list[str] = []
    known = [name for name, _ in MIGRATIONS]
    if not set(known) - _applied(database, known):
        return done
    for name, statements in MIGRATIONS:
        with database.write() as connection:
            # Looked up inside the transaction: another process may migrate at the same time.
            connection.exec_driver_sql(
                "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY,"
                " applied TEXT NOT NULL) WITHOUT ROWID"
            )
            found = connection.execute(
                text("SELECT 1 FROM migrations WHERE name = :name"), {"name": name}
            ).first()
            if found is None:
                for statement in statements:
                    connection.exec_driver_sql(statement)
                connection.execute(
                    text("INSERT INTO migrations (name, applied) VALUES (:name, :applied)"),
                    {"name": name, "applied": now()},
                )
                connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
                done.append(name)
        if name == upto:
            break
    return done


def _applied(database: Database, known: list[str]) -> set[str]:
    with database.read() as connection:
        tables = set(
            connection.execute(
                text("SELECT name FROM sqlite_schema WHERE type = 'table'")
            ).scalars()
        )
        mark = connection.exec_driver_sql("PRAGMA application_id").scalar()
        if tables and (mark != APPLICATION_ID or "migrations" not in tables):
            raise AtlasDamagedError(
                f"{database.file} is a database of another program",
                "give the folder of an atlas, or restore the last 'cellkin backup'",
            )
        if not tables:
            return set()
        applied = set(connection.execute(text("SELECT name FROM migrations")).scalars())
    newer = sorted(applied - set(known))
    if newer:
        raise AtlasTooNewError(
            f"atlas {database.file.parent} was written by a newer CellKin "
            f"(it holds {', '.join(newer)})",
            "update CellKin, then open it again",
        )
    return applied

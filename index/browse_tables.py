"""Counts that browsing needs at once, kept level by triggers: cells by data set, labels by class.

At a million cells counting anew takes a second or so; these tables hold a few hundred rows.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from index.schema import metadata

_OF_OLD = """dataset_id = (SELECT dataset_id FROM cells WHERE id = OLD.cell_id)
        AND class_code = ifnull(OLD.class_code, '') AND author = ifnull(OLD.author, '')"""
_COUNT_NEW = """INSERT INTO browse_tally (dataset_id, class_code, author, cells)
        SELECT dataset_id, ifnull(NEW.class_code, ''), ifnull(NEW.author, ''), 1
        FROM cells WHERE id = NEW.cell_id
        ON CONFLICT (dataset_id, class_code, author) DO UPDATE SET cells = cells + 1"""

MIGRATION = (
    """CREATE TABLE browse_datasets (
        dataset_id INTEGER PRIMARY KEY REFERENCES datasets(id), cells INTEGER NOT NULL)""",
    "INSERT INTO browse_datasets SELECT dataset_id, count(*) FROM cells GROUP BY dataset_id",
    """CREATE TRIGGER browse_datasets_add AFTER INSERT ON cells BEGIN
        INSERT INTO browse_datasets VALUES (NEW.dataset_id, 1)
        ON CONFLICT (dataset_id) DO UPDATE SET cells = cells + 1; END""",
    # Present labels; the class and author of a disputed cell are empty.
    """CREATE TABLE browse_tally (
        dataset_id INTEGER NOT NULL REFERENCES datasets(id), class_code TEXT NOT NULL,
        author TEXT NOT NULL, cells INTEGER NOT NULL,
        PRIMARY KEY (dataset_id, class_code, author)) WITHOUT ROWID""",
    """INSERT INTO browse_tally
        SELECT c.dataset_id, ifnull(p.class_code, ''), ifnull(p.author, ''), count(*)
        FROM present_labels p JOIN cells c ON c.id = p.cell_id GROUP BY 1, 2, 3""",
    f"CREATE TRIGGER browse_tally_add AFTER INSERT ON present_labels BEGIN {_COUNT_NEW}; END",
    f"""CREATE TRIGGER browse_tally_take AFTER DELETE ON present_labels BEGIN
        UPDATE browse_tally SET cells = cells - 1 WHERE {_OF_OLD}; END""",
    f"""CREATE TRIGGER browse_tally_change AFTER UPDATE ON present_labels BEGIN
        UPDATE browse_tally SET cells = cells - 1 WHERE {_OF_OLD}; {_COUNT_NEW}; END""",
    "CREATE INDEX cells_flagged ON cells (id) WHERE flagged",
    "CREATE INDEX cells_dataset ON cells (dataset_id)",
)

by_dataset = Table(
    "browse_datasets",
    metadata,
    Column("dataset_id", Integer, ForeignKey("datasets.id"), primary_key=True),
    Column("cells", Integer),
)
tally = Table(
    "browse_tally",
    metadata,
    Column("dataset_id", Integer, ForeignKey("datasets.id"), primary_key=True),
    Column("class_code", Text, primary_key=True),
    Column("author", Text, primary_key=True),
    Column("cells", Integer),
)

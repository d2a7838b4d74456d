"""The tables of an atlas as SQLAlchemy sees them; ``index.migrations`` makes them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()


def _table(name: str, *columns: Column) -> Table:
    return Table(name, metadata, *columns)


def _text(name: str) -> Column:
    return Column(name, Text)


def _id(name: str, target: str | None = None) -> Column:
    return Column(name, Integer, *([ForeignKey(target)] if target else []))


def _key(name: str = "id", kind: type = Integer) -> Column:
    return Column(name, kind, primary_key=True)


migrations = _table("migrations", _key("name", Text), _text("applied"))
meta = _table("meta", _key("name", Text), _text("value"))

classes = _table(
    "classes",
    _key("code", Text),
    Column("position", Integer),
    _text("name"),
    Column("parent", Text, ForeignKey("classes.code")),
    _text("level"),
    _text("short"),
    _text("ontology"),
    Column("aliases", JSON),
    _text("colour"),
    _text("key"),
    Column("shipped", Boolean),
)

datasets = _table(
    "datasets",
    _key(),
    _text("name"),
    _text("root"),
    _text("licence"),
    _text("citation"),
    _text("added"),
)
patients = _table("patients", _key(), _id("dataset_id", "datasets.id"), _text("name"))
slides = _table(
    "slides",
    _key(),
    _id("dataset_id", "datasets.id"),
    _id("patient_id", "patients.id"),
    _text("name"),
)
cells = _table(
    "cells",
    _key(),
    _id("dataset_id", "datasets.id"),
    _text("file"),
    Column("frame", Integer),
    _text("member"),
    _text("sha256"),
    Column("width", Integer),
    Column("height", Integer),
    _id("patient_id", "patients.id"),
    _id("slide_id", "slides.id"),
    _text("stain"),
    _text("scanner"),
    _text("field"),
    Column("box_left", Integer),
    Column("box_top", Integer),
    Column("box_width", Integer),
    Column("box_height", Integer),
    _text("split"),
    _text("stored"),
    Column("flagged", Boolean),
    _text("added"),
)

labels = _table(
    "labels",
    _key(),
    _id("cell_id", "cells.id"),
    Column("class_code", Text, ForeignKey("classes.code")),
    _text("author"),
    _text("how"),
    Column("proposed_class", Text, ForeignKey("classes.code")),
    Column("proposed_probability", Float),
    _text("model_id"),
    Column("proposal_visible", Boolean),
    _text("source"),
    _text("note"),
    _id("retracts", "labels.id"),
    _text("time"),
)
label_facts = _table(
    "label_facts",
    Column("label_id", Integer, ForeignKey("labels.id"), primary_key=True),
    _text("shown"),
    _text("policy"),
    Column("sheet_id", Integer),
    Column("seconds", Float),
    Column("cell_version", Integer),
    Column("peers_visible", Boolean),
    _id("adaptation_id", "adaptations.id"),
    _text("asked_by"),
)
# Derived from labels, kept in the same transaction; class_code is NULL where experts disagree.
present_labels = _table(
    "present_labels",
    Column("cell_id", Integer, ForeignKey("cells.id"), primary_key=True),
    Column("class_code", Text, ForeignKey("classes.code")),
    _id("label_id", "labels.id"),
    _text("author"),
)

models = _table(
    "models",
    _key(),
    _text("name"),
    _text("file"),
    Column("dimension", Integer),
    Column("metadata", JSON),
    _text("added"),
)
embeddings = _table(
    "embeddings",
    _key(),
    _id("model_id", "models.id"),
    _id("cell_id", "cells.id"),
    Column("vector", LargeBinary),
)
# One row a transaction that added embeddings: the marks by which index files know where they are.
embedding_marks = _table(
    "embedding_marks",
    _key("last_id"),
    _id("model_id", "models.id"),
    Column("total", Integer),
    _text("stamp"),
)

users = _table(
    "users",
    _key("name", Text),
    _text("full_name"),
    _text("role"),
    _text("password_hash"),
    _text("added"),
)
documents = _table("documents", _key("name", Text), Column("value", JSON), _text("changed"))
events = _table(
    "events",
    _key(),
    _text("time"),
    _text("author"),
    _text("action"),
    _id("cell_id", "cells.id"),
    Column("detail", JSON),
)

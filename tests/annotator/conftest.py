"""A small atlas made without a network: drawn pictures, vectors in clusters, two data sets."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

import retrieval.laboratory
from annotator import AnnotatorConfig, create_app
from index import Atlas, CellRecord, NewLabel
from index.records import CellFilter
from retrieval.reading.decode import pixel_hash

MODEL = "0123456789abcdef"
CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "platelet")
EACH = 6  # labelled cells a class
NEW = 12  # unlabelled cells; the last has no embedding


def picture(number: int, kind: int) -> np.ndarray:
    """A disc of the class's colour, moved a little by the cell's number."""
    y, x = np.mgrid[:40, :40]
    disc = (x - 20 - number % 5) ** 2 + (y - 20 + number % 3) ** 2 < 120
    rgb = np.full((40, 40, 3), (244, 224, 216), dtype=np.uint8)
    rgb[disc] = [(90, 40, 140), (60, 60, 160), (210, 90, 60), (160, 120, 180)][kind]
    rgb[0, 0] = (number, kind, 0)
    return rgb


def fill(atlas: Atlas, root: Path) -> None:
    """Put the drawn cells into ``atlas``: data set lab (labelled), data set new (not)."""
    generator = np.random.default_rng(7)
    centres = np.linalg.qr(generator.normal(size=(16, 16)))[0][: len(CLASSES)]
    model = root / "model.safetensors"
    model.write_bytes(b"no weights are read here")
    atlas.add_model(MODEL, model, {})
    for dataset, count in (("lab", EACH * len(CLASSES)), ("new", NEW)):
        atlas.add_dataset(dataset, str(root / dataset))
        (root / dataset).mkdir()
        records = []
        for i in range(count):
            kind = i % len(CLASSES)
            rgb = picture(i + (100 if dataset == "new" else 0), kind)
            Image.fromarray(rgb).save(root / dataset / f"cell_{i:02}.png")
            records.append(
                CellRecord(
                    file=f"cell_{i:02}.png",
                    sha256=pixel_hash(rgb),
                    width=40,
                    height=40,
                    slide=f"{dataset}-s{i % 3}",
                    class_code=CLASSES[kind] if dataset == "lab" else None,
                )
            )
        atlas.add_cells(dataset, records)
    ids = atlas.cell_ids()[:-1]
    kinds = np.array([i % len(CLASSES) for i in (*range(EACH * len(CLASSES)), *range(NEW - 1))])
    vectors = centres[kinds] + generator.normal(scale=0.12, size=(len(ids), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    atlas.add_embeddings(MODEL, ids, vectors.astype(np.float32))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages wait for what is worked out beside them, however busy the machine is."""
    monkeypatch.setattr("annotator.progress.board.PATIENCE", 60.0)
    monkeypatch.setattr("annotator.review.shelf.PATIENCE", 60.0)


@pytest.fixture(scope="session")
def _drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    with Atlas.open(folder / "atlas", create=True) as atlas:
        fill(atlas, folder)
    return folder


@pytest.fixture
def drawn(_drawn: Path, tmp_path: Path) -> Path:
    """Path of an atlas of drawn cells, a fresh copy; the pictures lie beside it."""
    copy = tmp_path / "drawn"
    shutil.copytree(_drawn, copy)
    with Atlas.open(copy / "atlas") as atlas:
        for dataset in ("lab", "new"):
            atlas.add_dataset(dataset, str(copy / dataset))
    return copy / "atlas"


@pytest.fixture
def opened(drawn: Path) -> Iterator[Atlas]:
    """The atlas of drawn cells, open."""
    with Atlas.open(drawn) as atlas:
        yield atlas


@pytest.fixture
def make_app() -> Iterator[Callable[..., Flask]]:
    """``make_app(path, **config)``: an annotator that is closed after the test."""
    made: list[Flask] = []

    def make(path: Path, **given: Any) -> Flask:
        app = create_app(AnnotatorConfig(atlas=path, **{"author": "ann", **given}))
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["desk"].close()


@pytest.fixture
def app(make_app: Callable[..., Flask], drawn: Path) -> Flask:
    """An annotator for the drawn cells, labelling data set new as ann."""
    return make_app(drawn, dataset="new")


def true_class(cell: int) -> str:
    """The class of cell ``cell`` of ``clustered``."""
    return CLASSES[(cell - 1) % len(CLASSES)]


class Browser:
    """A test client that carries the CSRF token, as the pages' scripts do."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.token = client.get("/api/v1/session").json["csrf_token"]

    def get(self, path: str, status: int = 200, **more: Any) -> TestResponse:
        """GET, expecting ``status``."""
        answer = self.client.get(path, **more)
        assert answer.status_code == status, answer.text[:400]
        return answer

    def post(
        self, path: str, sent: Any = None, status: int = 200, method: str = "POST"
    ) -> TestResponse:
        """Send JSON, expecting ``status``."""
        answer = self.client.open(
            path,
            method=method,
            json={} if sent is None else sent,
            headers={"X-CSRF-Token": self.token},
        )
        assert answer.status_code == status, answer.text[:400]
        return answer

    def next(self) -> dict[str, Any]:
        """The next cell's document."""
        return self.get("/api/v1/next").json["cell"]

    def label(self, cell: int, code: str, **more: Any) -> dict[str, Any]:
        """Label a cell; what the server answers."""
        sent = {"class": code, **more}
        return self.post(f"/api/v1/cells/{cell}/label", sent, 201).json

    def next_sheet(self) -> dict[str, Any]:
        """The next sheet of ``clustered``, the single cells before it answered rightly."""
        for _ in range(40):
            due = self.get("/api/v1/sheets/round").json
            if not due["singles"]:
                return due["sheets"][0]
            for cell in due["singles"]:
                sent = {"class": true_class(cell["id"])}
                self.post(f"/api/v1/sheets/singles/{cell['id']}", sent, 201)
        raise AssertionError("there was no end of single cells")

    def choose(self, cells: list[int], origin: str = "map", code: str | None = None) -> str:
        """Keep a selection and make its sheets; its id."""
        sent = {"cells": cells, "origin": origin, "title": "words", "class": code}
        chosen = self.post("/api/v1/explore/selections", sent, 201).json["id"]
        self.post("/api/v1/sheets/selection", {"selection": chosen}, 201)
        return chosen


@pytest.fixture
def browser(app: Flask) -> Browser:
    """A client of ``app`` with a session."""
    return Browser(app.test_client())


@pytest.fixture
def clustered(tmp_path: Path) -> Path:
    """Path of an atlas of vectors in clusters, enough for sheets: data set new of 320 cells, every
    fourth labelled, and data set other, all labelled. Cell n is of class (n - 1) % 4."""
    generator = np.random.default_rng(11)
    kinds = np.arange(360) % len(CLASSES)
    vectors = np.eye(16)[kinds] + generator.normal(scale=0.05, size=(len(kinds), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (tmp_path / "model.safetensors").write_bytes(b"no weights are read here")
    labelled = set(generator.choice(320, 80, replace=False).tolist())
    with Atlas.open(tmp_path / "atlas", create=True) as atlas:
        atlas.add_model("synthetic", tmp_path / "model.safetensors", {})
        for dataset, numbers in (("new", range(320)), ("other", range(320, len(kinds)))):
            atlas.add_dataset(dataset, str(tmp_path))
            records = []
            for n in numbers:
                told = CLASSES[kinds[n]] if dataset == "other" or n in labelled else None
                digest = hashlib.sha256(str(n).encode()).hexdigest()
                records.append(CellRecord(f"{n:03}.png", digest, 40, 40, class_code=told))
            atlas.add_cells(dataset, records)
        atlas.add_embeddings("synthetic", atlas.cell_ids(), vectors.astype(np.float32))
    return tmp_path / "atlas"


@pytest.fixture
def browse_as() -> type[Browser]:
    """The class of ``browser``, for tests with their own application."""
    return Browser


PASSWORD = "correct horse battery"
HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")


def add_account(app: Flask, name: str, role: str) -> None:
    """An account without an invitation."""
    app.extensions["desk"].whole.put_user(name, role=role, password_hash=HASH)


class Member:
    """A browser of one person; pages and API."""

    def __init__(self, app: Flask, name: str | None = None, role: str = "reader") -> None:
        self.name = name
        self.client: FlaskClient = app.test_client()
        if name is not None:
            if not any(user.name == name for user in app.extensions["desk"].whole.users()):
                add_account(app, name, role)
            answer = self.form("/login", name=name, password=PASSWORD)
            assert answer.status_code == 303, answer.text[:300]

    def token(self) -> str:
        """The token that a change needs, from any page that carries it."""
        text = self.client.get("/login", follow_redirects=True).text
        return text.split('name="csrf-token" content="')[1].split('"')[0]

    def form(self, path: str, **fields: Any) -> TestResponse:
        """Send a form."""
        return self.client.post(path, data={**fields, "csrf_token": self.token()})

    def send(self, method: str, path: str, sent: Any = None, status: int = 200) -> Any:
        """Send JSON below /api/v1, expecting ``status``; what the server answers."""
        answer = self.client.open(
            f"/api/v1{path}",
            method=method,
            json={} if sent is None else sent,
            headers={"X-CSRF-Token": self.token()},
        )
        assert answer.status_code == status, answer.text[:600]
        return answer.json

    def get(self, path: str, status: int = 200) -> Any:
        """Ask below /api/v1."""
        answer = self.client.get(f"/api/v1{path}")
        assert answer.status_code == status, answer.text[:600]
        return answer.json if answer.is_json else answer.text

    def label(self, cell: int, code: str, status: int = 201, **more: Any) -> Any:
        """Label a cell."""
        return self.send("POST", f"/cells/{cell}/label", {"class": code, **more}, status)


@pytest.fixture
def team(make_app: Callable[..., Flask], drawn: Path) -> Flask:
    """An annotator with accounts for the drawn cells; nothing is planted."""
    return make_app(drawn, accounts=True, planted=0.0)


@pytest.fixture
def member() -> type[Member]:
    """The class of a person's browser: ``member(app, name, role)`` signs an account in."""
    return Member


ABROAD = ("neutrophil", "lymphocyte", "eosinophil", "monocyte")
NEW_ABROAD = 120  # cells of the new laboratory


def fill_abroad(path: Path) -> None:
    """References of one laboratory, and cells of another in which the classes have changed places.

    Cells of class c lie where those of class c + 1 lie in the first: neighbours are wrong there.
    """
    generator = np.random.default_rng(3)
    centres = np.linalg.qr(generator.normal(size=(24, 24)))[0][: len(ABROAD)]
    with Atlas.open(path / "atlas", create=True) as atlas:
        model = path / "model.safetensors"
        model.write_bytes(b"no weights are read here")
        atlas.add_model(MODEL, model, {})
        vectors = []
        for name, count in (("lab", 2 * EACH * len(ABROAD)), ("new", NEW_ABROAD)):
            atlas.add_dataset(name, str(path))
            kinds = np.arange(count) % len(ABROAD)
            atlas.add_cells(
                name,
                [
                    CellRecord(
                        f"{name}{i}.png", f"{i + 1000 * (name == 'new'):064x}", 40, 40,
                        class_code=ABROAD[kind] if name == "lab" else None,
                    )
                    for i, kind in enumerate(kinds.tolist())
                ],
            )  # fmt: skip
            place = kinds if name == "lab" else (kinds + 1) % len(ABROAD)
            noise = generator.normal(scale=0.1, size=(count, 24))
            vectors.append(centres[place] + noise)
        both = np.concatenate(vectors)
        both /= np.linalg.norm(both, axis=1, keepdims=True)
        atlas.add_embeddings(MODEL, np.asarray(atlas.cell_ids()), both.astype(np.float32))


@dataclass(frozen=True)
class Abroad:
    """An atlas with cells of a strange laboratory, data set new: of each the class is known."""

    path: Path

    @staticmethod
    def cells(atlas: Atlas) -> list[int]:
        """The cells of the strange laboratory."""
        return [int(cell) for cell in atlas.cell_ids(CellFilter(datasets=("new",)))]

    def truth(self, atlas: Atlas, cell: int) -> str:
        """The class of a cell."""
        return ABROAD[self.cells(atlas).index(cell) % len(ABROAD)]

    def teach(self, atlas: Atlas, cells: list[int]) -> list[int]:
        """Label ``cells`` rightly."""
        return atlas.add_labels(
            [NewLabel(cell, self.truth(atlas, cell), "ann", "single") for cell in cells]
        )


@pytest.fixture
def abroad(tmp_path: Path) -> Abroad:
    """See the class."""
    fill_abroad(tmp_path)
    return Abroad(tmp_path / "atlas")


class Gate:
    """Lets an adaptation begin, and go on when it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self.most = self.now = self.count = 0
        true = retrieval.laboratory.hold

        def hold(*given: Any, **more: Any) -> Any:
            self.now += 1
            self.count += 1
            self.most = max(self.most, self.now)
            self.begun.set()
            assert self.open.wait(20)
            try:
                return true(*given, **more)
            finally:
                self.now -= 1

        monkeypatch.setattr(retrieval.laboratory, "hold", hold)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """See the class."""
    return Gate(monkeypatch)

"""The annotator under load, in short: nothing fails, nothing that was acknowledged is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.annotator_atlas import build
from benchmarks.annotator_kill import half_written, one
from benchmarks.annotator_pages import CONNECTIONS, SIZE, page_times
from benchmarks.annotator_readers import Told, lost, work
from benchmarks.annotator_server import Server, hire

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(tmp_path, 400, dimension=16)
    return tmp_path


def test_several_readers_meet_no_error_and_lose_no_label(folder: Path) -> None:
    tokens = hire(folder, 4)
    server = Server(folder, accounts=True)
    server.start()
    try:
        told = work(server.port, tokens, 4)
    finally:
        server.kill()
    assert told.errors == []
    assert len(told.labels) >= 4
    assert lost(folder, told.labels) == []
    assert len({cell for cell, _ in told.labels.values()}) == len(told.labels)


def test_what_was_acknowledged_outlives_a_kill(folder: Path) -> None:
    tokens = hire(folder, 2)
    server = Server(folder, accounts=True)
    told = Told()
    for seconds in (0.2, 0.7):
        server.start()
        one(server, tokens, seconds, told)
        assert half_written(folder) == []
    assert told.errors == []
    assert told.labels
    assert lost(folder, told.labels) == []


def test_a_page_is_its_list_and_its_thumbnails(folder: Path) -> None:
    server = Server(folder)
    server.start()
    try:
        found = page_times(server.port, "state=all", 2, 400)
    finally:
        server.kill()
    assert len(found["list"]) == len(found["made"]) == len(found["kept"]) == 2
    assert CONNECTIONS < SIZE

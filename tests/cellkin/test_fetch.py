"""``cellkin fetch`` as a person types it, against a folder served on this machine."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.reading.public import public_sets

Run = Callable[..., Any]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A server that has BCCD's crops: one class folder in the wrapping that its host gives it."""
    served = tmp_path / "served"
    served.mkdir()
    with zipfile.ZipFile(served / "BCCD_cropped.zip", "w") as archive:
        archive.writestr("BCCD-73e2/BCCD_cropped/Basophil/BloodImage_00008_1.jpg", "x")
        archive.writestr("BCCD-73e2/README.md", "x")
    handler = functools.partial(Quiet, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_without_a_name_the_sets_are_listed(run_cellkin: Run) -> None:
    lines = run_cellkin("fetch").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(public_sets())
    rows = json.loads(run_cellkin("fetch", "--json").stdout)
    assert all(row["licence"] and row["citation"] and row["page"] for row in rows)


def test_show_downloads_nothing(tmp_path: Path, run_cellkin: Run) -> None:
    result = run_cellkin("fetch", "bloodmnist_224", "--to", tmp_path / "data", "--show")
    assert "CC BY 4.0" in result.stdout
    assert "Scientific Data 10, 41" in result.stdout
    assert "about 1.5 GB, checksum md5 b718ff6835fcbdb22ba9eacccd7b2601" in result.stdout
    assert not (tmp_path / "data").exists()


def test_fetched_shown_and_ready_to_import(tmp_path: Path, mirror: str, run_cellkin: Run) -> None:
    to = tmp_path / "data"
    result = run_cellkin("fetch", "bccd_crops", "--to", to, "--from", mirror)
    assert result.status == 0, result.stderr
    assert "licence   fields MIT" in result.stdout
    assert "checksum not published" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        f"next: cellkin import ATLAS {to}/bccd_crops --dataset bccd_crops"
    )
    assert (to / "bccd_crops/BCCD_cropped/Basophil/BloodImage_00008_1.jpg").exists()
    again = run_cellkin("fetch", "bccd_crops", "--to", to, "--from", mirror, "--json")
    assert json.loads(again.stdout)["reader"] == "bccd"
    assert "licence" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pcb"], "data set is 'pcb', allowed is one of"),
        (["bloodmnist", "--from", "http://127.0.0.1:9"], "by hand from http://127.0.0.1:9/blood"),
        (["bloodmnist", "--from", "ftp://somewhere"], "is no web address"),
        (["bloodmnist", "--to", "a file"], "cannot be made"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path,
    run_cellkin: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a file").write_text("x")
    result = run_cellkin("fetch", *arguments)
    assert result.status == 1
    assert len(result.stderr.splitlines()) == 1
    assert says in result.stderr

"""Rows of docs/errors.md about the command line, settings, the annotator and downloads."""

from __future__ import annotations

import http.server
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from retrieval.reading.public import PublicSet, RemoteFile

# the command line ----------------------------------------------------------------------------


def test_verb_unknown(refused) -> None:
    refused("verb-unknown", "clasify", status=2)


def test_option_unknown(refused, painted_atlas: Path) -> None:
    refused("option-unknown", "info", painted_atlas, "--jason", status=2)


def test_argument_missing(refused, painted_atlas: Path) -> None:
    refused("argument-missing", "import", painted_atlas, status=2)


def test_argument_too_many(refused, painted_atlas: Path) -> None:
    refused("argument-too-many", "info", painted_atlas, "twice", status=2)


def test_path_empty(refused) -> None:
    refused("path-empty", "info", "", status=2)


@pytest.mark.parametrize("classes", ["", " ,"])
def test_classes_that_name_none(refused, painted_atlas: Path, tmp_path: Path, classes: str) -> None:
    """Not taken for no limit, as a variable that is not set would have it."""
    asked = ("classify", painted_atlas, tmp_path, "--out", tmp_path / "p.csv")
    refused("classify-classes-empty", *asked, "--classes", classes, status=2)


def test_setting_by_environment(refused, painted_atlas: Path, monkeypatch) -> None:
    monkeypatch.setenv("CELLKIN_BATCH_SIZE", "many")
    refused("setting-environment", "embed", painted_atlas)


def test_setting_outside_its_range(refused, painted_atlas: Path) -> None:
    refused("setting-range", "embed", painted_atlas, "--batch-size", "0")


# the annotator -------------------------------------------------------------------------------


def test_port_in_use(refused, painted_atlas: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        refused("port-in-use", "annotate", painted_atlas, "--port", taken.getsockname()[1])


def test_port_impossible(refused, painted_atlas: Path) -> None:
    refused("port-impossible", "annotate", painted_atlas, "--port", "99999")


def test_host_of_another_machine(refused, painted_atlas: Path) -> None:
    """An address for documentation (RFC 5737), which no machine has."""
    refused("host-elsewhere", "annotate", painted_atlas, "--host", "192.0.2.1", "--port", "0")


def test_annotate_impossible_target(refused, painted_atlas: Path) -> None:
    refused("annotate-target", "annotate", painted_atlas, "--target", "1", "--port", "0")


def test_annotate_unknown_dataset(refused, painted_atlas: Path) -> None:
    refused("annotate-dataset", "annotate", painted_atlas, "--dataset", "paintd", "--port", "0")


# downloads -----------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and the address on this machine at which it is served."""
    folder = tmp_path_factory.mktemp("served")
    handler = partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch):
    """Make ``toy`` the one public data set, with one file at the given address."""

    def put(name: str, url: str, checksum: tuple[str, str] | None = None) -> None:
        toy = PublicSet(
            name="toy", title="Toy", holds="two cells", reader="flat", page="https://example.org",
            licence="CC0", citation="Nobody 2020", files=(RemoteFile(name, url, None, checksum),),
        )  # fmt: skip
        monkeypatch.setattr("retrieval.reading.public.public_sets", lambda: {"toy": toy})
        monkeypatch.setattr("retrieval.reading.download.time.sleep", lambda seconds: None)

    return put


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name in names:
            packed.writestr(name, b"x" * 100)
    return buffer.getvalue()


def test_fetch_unknown_set(refused, tmp_path: Path) -> None:
    refused("fetch-unknown", "fetch", "bloodmnst", "--to", tmp_path / "data")


def fetch_toy(refused, row: str, to: Path) -> None:
    refused(row, "fetch", "toy", "--to", to, unchanged=False, told_before=True)
    leftovers = {path.name for path in (to / "toy").rglob("*")}
    assert not [name for name in leftovers if name.startswith(".unpacking")]


def test_fetch_without_network(refused, publish, tmp_path: Path) -> None:
    with socket.socket() as free:  # a port that nobody listens on
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    publish("toy.zip", f"http://127.0.0.1:{port}/toy.zip")
    fetch_toy(refused, "fetch-no-network", tmp_path)
    assert not list((tmp_path / "toy").glob("toy.zip*"))


def test_fetch_refused_by_the_server(refused, publish, server, tmp_path: Path) -> None:
    publish("toy.zip", f"{server[1]}/gone.zip")
    fetch_toy(refused, "fetch-gone", tmp_path)


def test_fetch_checksum(refused, publish, server, tmp_path: Path) -> None:
    (server[0] / "toy.zip").write_bytes(archive("a.png"))
    publish("toy.zip", f"{server[1]}/toy.zip", ("sha256", "0" * 64))
    fetch_toy(refused, "fetch-checksum", tmp_path)
    assert not list((tmp_path / "toy").glob("toy.zip*")), "what is wrong is not kept"


def test_fetch_archive_that_breaks_out(refused, publish, server, tmp_path: Path) -> None:
    (server[0] / "toy.zip").write_bytes(archive("a.png", "../../outside.png"))
    publish("toy.zip", f"{server[1]}/toy.zip")
    fetch_toy(refused, "fetch-breaks-out", tmp_path / "data")
    assert not list(tmp_path.rglob("*.png")), "nothing of it is unpacked"


def test_fetch_archive_that_grows(refused, publish, server, tmp_path: Path) -> None:
    """A zip bomb: a few bytes that would unpack to far more."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros.png", bytes(200_000_000))
    (server[0] / "toy.zip").write_bytes(buffer.getvalue())
    publish("toy.zip", f"{server[1]}/toy.zip")
    fetch_toy(refused, "fetch-bomb", tmp_path / "data")
    assert not list(tmp_path.rglob("*.png"))


def test_fetch_archive_that_is_none(refused, publish, server, tmp_path: Path) -> None:
    (server[0] / "toy.zip").write_text("<html>please log in</html>")
    publish("toy.zip", f"{server[1]}/toy.zip")
    fetch_toy(refused, "fetch-no-archive", tmp_path)

"""Downloads against a local server: whole, resumed, wrong, refused, unreachable."""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from retrieval.reading import download as module
from retrieval.reading.download import download
from retrieval.reading.errors import FetchError
from retrieval.reading.fetch import fetch, list_files, moved
from retrieval.reading.public import Listing, PublicSet, RemoteFile, public_set, public_sets

CONTENT = bytes(range(256)) * 4096  # one megabyte
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the local server has, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)  # bytes sent before each break
    status: list[int] = field(default_factory=list)  # answers given before the file
    ranges: bool = True
    etag: str = '"one"'
    asked: list[str | None] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``Server.files`` with ranges, ETag and If-Range."""

    def do_GET(self) -> None:
        server: Server = self.server.state  # type: ignore[attr-defined]
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        content = server.files.get(self.path.lstrip("/"))
        if server.status:
            self.send_error(server.status.pop(0))
            return
        if content is None:
            self.send_error(404)
            return
        start = 0
        fresh = self.headers.get("If-Range", server.etag) == server.etag
        if wanted and server.ranges and fresh:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if server.break_after:
            body = body[: server.break_after.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(files={"file.bin": CONTENT})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.state = state  # type: ignore[attr-defined]
        state.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield state
        running.shutdown()
        thread.join()


def remote(server: Server, **more: object) -> RemoteFile:
    return RemoteFile("file.bin", f"{server.url}/file.bin", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("checksum", [None, ("md5", MD5), ("sha256", SHA256.upper())])
def test_whole(server: Server, tmp_path: Path, checksum: tuple[str, str] | None) -> None:
    target = tmp_path / "deep" / "file.bin"
    assert download(remote(server, checksum=checksum), target) == SHA256
    assert target.read_bytes() == CONTENT
    assert [each.name for each in target.parent.iterdir()] == ["file.bin"]
    assert download(remote(server, checksum=checksum), target) == SHA256
    assert len(server.asked) == 1


def test_a_broken_connection_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.break_after = [300_000, 1, 500_000]
    file = remote(server, checksum=("md5", MD5))
    assert download(file, tmp_path / "file.bin", pause=0) == SHA256
    assert server.asked == [None, "bytes=300000-", "bytes=300001-", "bytes=800001-"]


def test_the_next_run_goes_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    server.break_after = [400_000]
    with pytest.raises(FetchError, match=r"cannot be reached: the connection broke off; get it by"):
        download(remote(server), tmp_path / "file.bin", pause=0)
    assert (tmp_path / "file.bin.part").stat().st_size == 400_000
    assert not (tmp_path / "file.bin").exists()
    assert download(remote(server), tmp_path / "file.bin", pause=0) == SHA256
    assert server.asked == [None, "bytes=400000-"]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.break_after = False, [300_000]
    assert download(remote(server), tmp_path / "file.bin", pause=0) == SHA256


def test_a_file_that_changed_meanwhile_starts_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"old" * 1000)
    (tmp_path / "file.bin.part.version").write_text('"nought"')
    assert download(remote(server), tmp_path / "file.bin") == SHA256


def test_a_part_that_is_whole_or_too_long(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert download(remote(server), tmp_path / "file.bin") == SHA256
    (tmp_path / "other.part").write_bytes(CONTENT + b"x")
    assert download(remote(server), tmp_path / "other", pause=0) == SHA256


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"md5 .*, expected is 0000; it was removed"):
        download(remote(server, checksum=("md5", "0000")), tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "file.bin.part.version"])


def test_another_file_in_the_way_is_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_text("mine")
    for more in ({"checksum": ("sha256", SHA256)}, {"size": 12}):
        with pytest.raises(FetchError, match="is another file"):
            download(remote(server, **more), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_text() == "mine"
    assert server.asked == []


def test_a_short_answer_of_known_size(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="size 1048576, expected is 2000000"):
        download(remote(server, size=2_000_000), tmp_path / "file.bin", pause=0)


def test_busy_servers_are_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = [503, 429, 500]
    assert download(remote(server), tmp_path / "file.bin", pause=0) == SHA256


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refused(server: Server, tmp_path: Path, status: int) -> None:
    server.status = [status]
    with pytest.raises(FetchError, match=rf"refuses .*: HTTP {status}; get it by hand from"):
        download(remote(server), tmp_path / "file.bin", pause=0)
    assert len(server.asked) == 1


def test_no_network_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    file = RemoteFile("file.bin", f"http://127.0.0.1:{port}/file.bin")
    target = tmp_path / "file.bin"
    with pytest.raises(FetchError) as caught:
        download(file, target, pause=60)  # waiting would fail the test by time
    assert "cannot be reached: Connection refused" in str(caught.value)
    assert f"by hand from {file.url}, save it as {target}, then run" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_web_addresses(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no web address"):
        download(RemoteFile("x", f"file://{tmp_path}/x"), tmp_path / "y")


def test_no_room(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FetchError, match="needs 1 MB, free are 0 MB"):
        download(remote(server), tmp_path / "file.bin")


def zipped(path: Path, names: list[str]) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path.read_bytes()


def made(server: Server, *files: RemoteFile, **more: object) -> PublicSet:
    row: dict[str, object] = {
        "name": "set", "title": "A set", "holds": "cells", "reader": "class_folders",
        "page": "http://example.org/set", "licence": "CC BY 4.0", "citation": "A, B",
    }  # fmt: skip
    return PublicSet(files=files, **{**row, **more})  # type: ignore[arg-type]


def test_a_set_is_downloaded_unpacked_and_recorded(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = zipped(tmp_path / "a.zip", ["top/neutrophil/a.png", "__MACOSX/x"])
    chosen = made(server, RemoteFile("a.zip", f"{server.url}/a.zip"))
    shown: list[str] = []
    report = fetch(chosen, tmp_path / "data", before=lambda what, _: shown.append(what.licence))
    assert shown == ["CC BY 4.0"]
    folder = tmp_path / "data" / "set"
    assert sorted(each.name for each in folder.iterdir()) == ["SOURCE.json", "a.zip", "top"]
    assert (folder / "top" / "neutrophil" / "a.png").exists()
    record = json.loads((folder / "SOURCE.json").read_text(encoding="utf-8"))
    assert record["files"] == report.files
    assert record["files"][0]["sha256"] == hashlib.sha256(server.files["a.zip"]).hexdigest()
    assert record["files"][0]["checked_against"] == "not published"
    assert (record["licence"], record["citation"]) == ("CC BY 4.0", "A, B")
    before = (folder / "top").stat().st_ino
    assert fetch(chosen, tmp_path / "data").files == report.files
    assert (folder / "top").stat().st_ino == before
    assert len(server.asked) == 1


def listing(server: Server, kind: str, value: object) -> PublicSet:
    server.files["list"] = json.dumps(value).encode()
    return made(server, listing=Listing(kind, f"{server.url}/list", ("*.bin",)))


def test_figshare_gives_address_size_and_checksum(server: Server, tmp_path: Path) -> None:
    row = {"size": len(CONTENT), "download_url": f"{server.url}/file.bin", "computed_md5": MD5}
    value = {"files": [{"name": "../file.bin", **row}, {"name": "notes.pdf", **row}]}
    report = fetch(listing(server, "figshare", value), tmp_path)
    (file,) = report.files
    assert (file["name"], file["checked_against"]) == ("file.bin", f"md5 {MD5}")
    assert (tmp_path / "set" / "file.bin").read_bytes() == CONTENT


def test_mendeley_gives_address_size_and_checksum(server: Server, tmp_path: Path) -> None:
    details = {
        "size": len(CONTENT),
        "download_url": f"{server.url}/file.bin",
        "sha256_hash": SHA256,
    }
    value = [{"filename": "file.bin", "content_details": details}]
    (file,) = fetch(listing(server, "mendeley", value), tmp_path).files
    assert file["checked_against"] == f"sha256 {SHA256}"


@pytest.mark.parametrize("value", [{"message": "gone"}, [], {"files": []}, [1, 2]])
def test_a_list_of_another_form(server: Server, tmp_path: Path, value: object) -> None:
    chosen = listing(server, "mendeley", value)
    with pytest.raises(FetchError, match=r"cannot be looked up: .* by hand from http://example"):
        fetch(chosen, tmp_path)
    fallback = replace(chosen, files=(remote(server),))
    assert list_files(fallback, tmp_path) == [remote(server)]


def test_the_table_of_sets_is_whole() -> None:
    sets = public_sets()
    assert {"pbc", "bloodmnist", "bloodmnist_224", "raabin", "jhu", "bccd"} <= set(sets)
    for chosen in sets.values():
        assert chosen.licence
        assert chosen.citation
        assert chosen.page.startswith("https://")
        assert chosen.files or chosen.listing
        for file in chosen.files:
            assert file.url.startswith(("https://", "http://dl.raabindata.com/"))
            if file.checksum:
                assert len(file.checksum[1]) == {"md5": 32, "sha256": 64}[file.checksum[0]]
    with pytest.raises(FetchError, match=r"'bloodmist', allowed is one of .*; did you mean bloodm"):
        public_set("bloodmist")


def test_a_mirror(server: Server, tmp_path: Path) -> None:
    server.files["m/bloodmnist.npz"] = b"x"
    chosen = moved(public_set("bloodmnist"), f"{server.url}/m/")
    with pytest.raises(FetchError, match="md5 9dd4e461268c8034f5c8564e155c67a6, expected is 7053d"):
        fetch(chosen, tmp_path)

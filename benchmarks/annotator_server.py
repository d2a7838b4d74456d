"""The annotator of a synthetic atlas in a process of its own, and plain clients of it.

python -m benchmarks.annotator_server FOLDER [--port 0] [--accounts]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotator import AnnotatorConfig, create_app
from annotator.serve import make_server
from benchmarks.annotator_atlas import PooledPictures
from index import Atlas
from index.accounts import invite, join, make_token

PATIENCE = 60.0  # seconds that a client waits for an answer


class ServerGoneError(Exception):
    """The server closed the connection, or never opened it."""


@dataclass
class Server:
    """A server that can be killed and started again on the same port."""

    folder: Path
    accounts: bool = False
    port: int = 0
    run: subprocess.Popen[str] | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Start it and do not wait."""
        command = [sys.executable, "-m", "benchmarks.annotator_server", str(self.folder)]
        command += ["--port", str(self.port), *(["--accounts"] if self.accounts else [])]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CELLKIN_VECTOR_INDEX": "exact"}
        self.run = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def start(self) -> float:
        """Start it and wait for its address; the seconds that took."""
        begun = time.perf_counter()
        self.begin()
        assert self.run is not None
        assert self.run.stdout is not None
        address = self.run.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"the server of {self.folder} did not start: run it by hand")
        self.port = int(address.rstrip("/").rpartition(":")[2])
        return time.perf_counter() - begun

    def kill(self) -> None:
        """End it without any warning, as a power cut would."""
        if self.run is not None:
            self.run.send_signal(signal.SIGKILL)
            self.run.wait()
            assert self.run.stdout is not None
            self.run.stdout.close()
            self.run = None


class Client:
    """One connection that stays open, as a browser's does."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._headers = {"Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, sent: Any = None) -> tuple[int, bytes]:
        """Status and body of the answer. Raises ServerGoneError."""
        headers = dict(self._headers)
        body = None
        if sent is not None:
            body = json.dumps(sent)
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, path, body=body, headers=headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ServerGoneError(str(error)) from error

    def document(self, path: str) -> Any:
        """The JSON at ``path``."""
        status, body = self.ask("GET", path)
        if status != 200:
            raise RuntimeError(f"{path} answered {status}: {body[:200]!r}")
        return json.loads(body)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def hire(folder: Path, count: int) -> list[str]:
    """Make an owner and ``count`` readers, without passwords; the tokens of the readers."""
    found = []
    with Atlas.open(folder / "atlas") as atlas:
        for i in range(count + 1):
            role = "reader" if i else "owner"
            user = join(atlas, invite(atlas, role, "benchmark", 1), f"{role} {i}", "", "")
            if i:
                found.append(make_token(atlas, user.name, "benchmark"))
    return found


def percentile(values: list[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed, by rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--accounts", action="store_true")
    given = parser.parse_args()
    config = AnnotatorConfig(
        atlas=given.folder / "atlas", author="ann", port=given.port, accounts=given.accounts
    )
    app = create_app(config)
    desk = app.extensions["desk"]
    desk.pictures = PooledPictures(desk.whole, given.folder / "pool")
    server, address = make_server(config, app)
    print(address, flush=True)
    server.run()


if __name__ == "__main__":
    main()

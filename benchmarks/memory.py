"""Resident memory of embed and classify with 1,000 and with 10,000 pictures (Linux).

Each command runs twice. embed goes over its pictures two times, first to find the cells and then
to describe them, so early and late in one run are not the same work.

python -m benchmarks.memory
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import data_folder, table, write_section
from benchmarks.speed import sample
from index import Atlas
from retrieval.reading.importing import import_source

SAMPLER = """
import sys, threading, time
from cellkin.main import main
samples = []
def watch():
    while True:
        status = open('/proc/self/status').read()
        samples.append(int(status.split('VmRSS:')[1].split()[0]))
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()
try:
    main(sys.argv[1:])
except SystemExit as leaving:
    if leaving.code: raise
print('SAMPLES', *samples, file=sys.stderr)
"""


def resident(*arguments: object) -> float:
    """Resident memory in MB that stays at the end of a command: the least of its last tenth.

    The least is what stays between passes; a pass of the network comes and goes with over 100 MB
    on top.
    """
    run = subprocess.run(
        [sys.executable, "-c", SAMPLER, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    samples = [int(word) / 1024 for word in run.stderr.rsplit("SAMPLES", 1)[1].split()]
    return min(samples[-(len(samples) // 10) :])


def atlas_of(work: Path, name: str, pictures: Path) -> Path:
    """An atlas that holds ``pictures``, none embedded."""
    path = work / f"{name}.atlas"
    with Atlas.open(path, create=True) as atlas:
        import_source(atlas, pictures, dataset="pbc")
    return path


def memory(work: Path, few: int = 1000, many: int = 10_000) -> list[list[object]]:
    """Embed and classify ``few`` and ``many`` pictures, the latter against ``few`` references."""
    folders = {count: sample(work / str(count), count) for count in (few, many)}
    embedded = {
        count: resident("embed", atlas_of(work, str(count), folder))
        for count, folder in folders.items()
    }
    references, out = work / f"{few}.atlas", work / "predictions.csv"
    classified = {
        count: resident("classify", references, folder, "--out", out)
        for count, folder in folders.items()
    }
    return [
        [
            name,
            f"{found[few]:.0f}",
            f"{found[many]:.0f}",
            f"{found[many] - found[few]:+.0f}",
            "< 50",
        ]
        for name, found in (("embed", embedded), ("classify", classified))
    ]


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as temporary:
        rows = memory(Path(temporary))
    write_section(
        "memory",
        "Memory",
        "python -m benchmarks.memory",
        table(["resident, MB", "1,000 pictures", "10,000", "growth", "target"], rows),
        seed=0,
        data_hash=hashlib.sha256((data_folder() / "pbc" / "labels.csv").read_bytes()).hexdigest(),
    )


if __name__ == "__main__":
    main()

"""Resident memory of embed and classify after 1,000 and at 10,000 pictures (Linux).

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


def resident(*arguments: object) -> tuple[float, float]:
    """Resident memory in MB early in a command, and at its end: the least of a tenth of its time.

    Early is the second tenth: of 10,000 pictures, those after about the first 1,000. The least is
    what stays between passes; a pass of the network comes and goes with over 100 MB on top.
    """
    run = subprocess.run(
        [sys.executable, "-c", SAMPLER, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    samples = [int(word) / 1024 for word in run.stderr.rsplit("SAMPLES", 1)[1].split()]
    tenth = len(samples) // 10
    return min(samples[tenth : 2 * tenth]), min(samples[-tenth:])


def memory(work: Path, count: int = 10_000) -> list[list[object]]:
    """Embed and classify ``count`` pictures, the latter against 1,000 references."""
    folder, few = sample(work / "many", count), sample(work / "few", 1000)
    for name, source in (("many", folder), ("references", few)):
        with Atlas.open(work / f"{name}.atlas", create=True) as atlas:
            import_source(atlas, source, dataset="pbc")
    subprocess.run(
        [sys.executable, "-m", "cellkin", "embed", str(work / "references.atlas")], check=True
    )
    found = {
        "embed": resident("embed", work / "many.atlas"),
        "classify": resident(
            "classify", work / "references.atlas", folder, "--out", work / "predictions.csv"
        ),
    }
    return [
        [name, f"{early:.0f}", f"{late:.0f}", f"{late - early:+.0f}", "< 50"]
        for name, (early, late) in found.items()
    ]


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as temporary:
        rows = memory(Path(temporary))
    write_section(
        "memory",
        "Memory",
        "python -m benchmarks.memory",
        table(["resident, MB", "after 1,000", "at 10,000", "growth", "target"], rows),
        seed=0,
        data_hash=hashlib.sha256((data_folder() / "pbc" / "labels.csv").read_bytes()).hexdigest(),
    )


if __name__ == "__main__":
    main()

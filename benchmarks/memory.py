"""Peak memory of embed and classify at 1,000 and at 10,000 pictures (Linux).

python -m benchmarks.memory
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import data_folder, table, write_section
from benchmarks.speed import sample
from index import Atlas
from retrieval.reading.importing import import_source

MEMORY = """
import sys
from cellkin.main import main
try:
    main(sys.argv[1:])
except SystemExit as leaving:
    if leaving.code: raise
status = open('/proc/self/status').read()
print('PEAK', status.split('VmHWM:')[1].split()[0], file=sys.stderr)
"""


def peak(*arguments: object) -> float:
    """Peak resident memory of a command in MB.

    Of its own address space: getrusage would count what it was started from.
    """
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stderr.rsplit("PEAK", 1)[1]) / 1024


def memory(work: Path) -> list[list[object]]:
    """Peak resident memory of embed and classify at 1,000 and 10,000 pictures."""
    rows: list[list[object]] = []
    references = work / "references"
    sources = {count: sample(work / f"n{count}", count) for count in (1000, 10_000)}
    for count in sources:
        with Atlas.open(work / f"memory{count}", create=True) as atlas:
            import_source(atlas, sources[count], dataset="pbc")
    shutil.copytree(work / "memory1000", references)
    embeds = {count: peak("embed", work / f"memory{count}") for count in sources}
    peak("embed", references)
    classifies = {
        count: peak("classify", references, folder, "--out", work / f"p{count}.csv")
        for count, folder in sources.items()
    }
    for name, found in (("embed", embeds), ("classify", classifies)):
        growth = found[10_000] - found[1000]
        rows.append(
            [f"{name}: growth of peak memory from 1,000 to 10,000, MB", f"{growth:.0f}",
             f"{found[1000]:.0f} MB", "< 50"]
        )  # fmt: skip
    return rows


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as temporary:
        rows = memory(Path(temporary))
    write_section(
        "memory",
        "Memory",
        "python -m benchmarks.memory",
        table(["what", "CellKin", "at 1,000", "target"], rows),
        seed=0,
        data_hash=hashlib.sha256((data_folder() / "pbc" / "labels.csv").read_bytes()).hexdigest(),
    )


if __name__ == "__main__":
    main()

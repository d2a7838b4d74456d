"""Every measurement of RESULTS.md, one after another: about two hours on 2 cores."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.report import data_folder, imagenet_weights

PARTS = (
    "home",
    "laboratories",
    "ordinary",
    "losses",
    "speed",
    "finding_time",
    "memory",
    "vigilance",
    "trust",
    "few_pictures",
    "view_parts",
    "found_cells",
    "one_class",
    "exploring",
    "cropped",
    "trial",
    "annotator_pages",
    "annotator_fresh",
    "annotator_adapting",
    "annotator_readers",
    "annotator_kill",
)


def main() -> None:
    """Run each part in a process of its own, so that none inherits another's memory."""
    if not (data_folder() / "pbc").is_dir() or not imagenet_weights().is_file():
        sys.exit(
            f"benchmarks: no real cells in {data_folder()} or no weights {imagenet_weights()}; "
            "set CELLKIN_DATA and CELLKIN_WEIGHTS to folders that hold them"
        )
    for part in PARTS:
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()

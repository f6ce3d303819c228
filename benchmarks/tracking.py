"""Measure the time that the mirror in MLflow adds to a cold `dvc repro`.

    python -m benchmarks.tracking --rounds 3

Runs with and without the mirror alternate. The import of MLflow and the creation of a store, which
any use of MLflow needs, are measured separately.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.checkouts import fresh, timed

IMPORT = "pipeline.stages.track"


def main() -> None:
    """Print a table, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[float]] = {"without": [], "with": [], "import and empty store": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for name, seconds in times.items():
                paths = fresh(Path(folder) / f"{name} {number}")
                timed(paths, ("dvc", "init", "--quiet", "--no-scm"))
                if name == "import and empty store":
                    # There is nothing to mirror yet, so it only imports MLflow and creates a store.
                    seconds.append(timed(paths, (IMPORT,)))
                    continue
                if name == "without":
                    text = paths.params.read_text()
                    paths.params.write_text(text.replace("live: true", "live: false"))
                stage = ("report",) if name == "without" else ()
                seconds.append(timed(paths, ("dvc", "repro", *stage)))
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    added = medians["with"] - medians["without"]
    print("| cold `dvc repro` | seconds, median |\n|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} |")
    print(f"| added by the mirror | {added:.1f} ({added / medians['with']:.0%}) |")
    print(f"| of that beyond import and store | {added - medians['import and empty store']:.1f} |")


if __name__ == "__main__":
    main()

"""Measure what surrounds training: a cold `dvc repro`, one with nothing to do, each stage alone.

python -m benchmarks.whole
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.checkouts import fresh, timed
from pipeline.base.paths import Paths
from pipeline.records.record import read_finished


def commands(paths: Paths) -> dict[str, tuple[str, ...]]:
    """Return the arguments of `python -m` for each stage of `dvc.yaml`, in order."""
    stages = yaml.safe_load((paths.root / "dvc.yaml").read_text())["stages"]
    return {name: tuple(stage["cmd"].split()[2:]) for name, stage in stages.items()}


def start_of(paths: Paths, module: str) -> float:
    """Return the seconds that Python takes to start and to import a stage."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=paths.root, check=True)
    return time.perf_counter() - start


def training_seconds(paths: Paths) -> float:
    """Return the seconds from the first seed's start to the last one's end."""
    origins = [read_finished(path.parent).origin for path in paths.records.glob("*/manifest.json")]
    return max(o["ended"] for o in origins) - min(o["started"] for o in origins)


def add_a_seed(paths: Paths) -> None:
    """Declare one more seed."""
    params = yaml.safe_load(paths.params.read_text())
    seeds = [*params["seeds"], max(params["seeds"]) + 1]
    paths.params.write_text(yaml.safe_dump({**params, "seeds": seeds}, sort_keys=False))


def main() -> None:
    """Print a table, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths, without_dvc = fresh(Path(folder) / "whole"), fresh(Path(folder) / "without_dvc")
        timed(paths, ("dvc", "init", "--quiet", "--no-scm"))
        timed(paths, ("dvc", "config", "core.analytics", "false"))
        cold = timed(paths, ("dvc", "repro"))
        training = training_seconds(paths)
        alone = {name: timed(without_dvc, words) for name, words in commands(paths).items()}
        nothing = min(timed(paths, ("dvc", "repro")) for _ in range(3))
        status = min(timed(paths, ("dvc", "status")) for _ in range(3))
        add_a_seed(paths)
        one_more = timed(paths, ("dvc", "repro"))
        starts = {
            name: min(start_of(paths, words[0]) for _ in range(3))
            for name, words in commands(paths).items()
        }
    print("| | seconds | |\n|---|---|---|")
    print(f"| training, first start to last end | {training:.1f} | |")
    print(f"| cold `dvc repro` | {cold:.1f} | {cold / training:.2f} × training |")
    print(f"| all stages, one by one without DVC | {sum(alone.values()):.1f} | |")
    print(f"| `dvc status` | {status:.1f} | |")
    print(f"| `dvc repro` with nothing to do | {nothing:.1f} | {nothing / status:.2f} × status |")
    print(f"| `dvc repro` with one more seed | {one_more:.1f} | {one_more / cold:.2f} × cold |")
    print("\n| stage, without DVC | seconds | of them to start and import it |\n|---|---|---|")
    for name, took in alone.items():
        print(f"| `{name}` | {took:.1f} | {starts[name]:.1f} |")


if __name__ == "__main__":
    main()

"""How well a sweep uses several cores: seconds for the same seeds on one core and on more.

    python -m benchmarks.sweeps --seeds 8 --rounds 2

Each has one worker per core. They take turns, so that a noisy machine disturbs both alike.
Seconds are those of the jobs, from the first start to the last end as the records have them:
imports of the launching process and its summary are not what scales.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.checkouts import fresh, run
from pipeline.records.record import read_finished


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Use so many cores, in this process and those it starts."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def sweep(workers: int, seeds: int, overrides: list[str], folder: Path) -> tuple[float, float]:
    """Run a sweep in a fresh checkout, with a core for each of its workers.

    Returns:
        Its seconds, and its largest process in MB.
    """
    paths = fresh(folder)
    with on_cores(workers):
        process = run(
            paths,
            *("pipeline.stages.train", f"seed=range({seeds})", "tracking.live=false"),
            *(f"hydra.launcher.n_jobs={workers}", *overrides),
        )
    peaks: list[int] = [0]
    watcher = threading.Thread(target=_watch, args=(process, peaks))
    watcher.start()
    if process.wait():
        raise SystemExit(process.returncode)
    watcher.join()
    origins = [read_finished(p.parent).origin for p in paths.records.glob("*/manifest.json")]
    assert len(origins) == seeds
    ends = [origin["ended"] for origin in origins]
    return max(ends) - min(origin["started"] for origin in origins), peaks[0] / 1e6


def _watch(process: subprocess.Popen[bytes], peaks: list[int]) -> None:
    while process.poll() is None:
        try:
            launcher = psutil.Process(process.pid)
            for each in (launcher, *launcher.children(recursive=True)):
                peaks[0] = max(peaks[0], each.memory_info().rss)
        except psutil.Error:
            pass
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue


def main() -> None:
    """Print a table, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("overrides", nargs="*")
    asked = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], asked.workers: []}
    memory: dict[int, list[float]] = {1: [], asked.workers: []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            for workers in seconds:
                took, peak = sweep(
                    workers, asked.seeds, asked.overrides, Path(folder) / f"{number}-{workers}"
                )
                seconds[workers].append(took)
                memory[workers].append(peak)
    print("| workers | seconds, median | efficiency | largest process, MB |\n|---|---|---|---|")
    one = statistics.median(seconds[1])
    for workers, found in seconds.items():
        median = statistics.median(found)
        efficiency = one / (workers * median)
        print(f"| {workers} | {median:.1f} | {efficiency:.2f} | {max(memory[workers]):.0f} |")


if __name__ == "__main__":
    main()

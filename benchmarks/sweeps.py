"""Measure how a sweep scales: seconds for the same seeds on one core and on several.

    python -m benchmarks.sweeps --seeds 8 --rounds 2

Each sweep has one worker per core. Both alternate, so that a noisy machine disturbs them equally.
Seconds are from the start of the first job to the end of the last, without the imports and the
summary of the launching process.
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
    """Limit this process and those it starts to `count` cores."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def sweep(workers: int, seeds: int, overrides: list[str], folder: Path) -> tuple[float, float]:
    """Run a sweep in a fresh checkout, with one core per worker.

    Returns:
        Its seconds, and the memory of its largest process in MB.
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
    options = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], options.workers: []}
    memory: dict[int, list[float]] = {1: [], options.workers: []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for workers in seconds:
                took, peak = sweep(
                    workers, options.seeds, options.overrides, Path(folder) / f"{number}-{workers}"
                )
                seconds[workers].append(took)
                memory[workers].append(peak)
    print("| workers | seconds, median | efficiency | largest process, MB |\n|---|---|---|---|")
    one = statistics.median(seconds[1])
    for workers, times in seconds.items():
        median = statistics.median(times)
        efficiency = one / (workers * median)
        print(f"| {workers} | {median:.1f} | {efficiency:.2f} | {max(memory[workers]):.0f} |")


if __name__ == "__main__":
    main()

"""Measure how time grows with layers, batches, seeds and cores; print tables, draw a figure.

    python -m benchmarks.growth --figure growth.png

For layers and batches, this process times one epoch with its evaluation, and the matrix products of
the same shapes alone. For seeds and cores, it runs sweeps of one epoch in fresh checkouts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pipeline  # isort: skip  # noqa: F401  # before NumPy: chooses its threads and kernels

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.flops import training_flops
from benchmarks.peers import Job, limit, load, ours
from benchmarks.sweeps import on_cores, sweep
from pipeline.results.style import BLUE, GREY, ORANGE, save, subplots

HIDDEN = (32, 64, 128, 256, 512, 1024, 2048)
BATCHES = (25, 50, 100, 200, 400, 800, 1600)
SEEDS = (1, 2, 4, 8, 16, 32)

Row = tuple[int, float, float]
"""A size, the seconds of an epoch, the seconds of its matrix products alone."""
Sweeps = dict[int, list[tuple[int, float]]]
"""Numbers of seeds and seconds, by number of cores, with one worker per core."""


def seconds(task: Callable[[], object]) -> float:
    """Return the seconds that a task takes, the shorter of two runs."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


def sized(job: Job, hidden: int, batch: int) -> Job:
    """Return one epoch of the job with other layers and batches."""
    config = replace(
        job.config,
        network=replace(job.config.network, hidden=[hidden, max(1, hidden // 2)]),
        training=replace(job.config.training, batch_size=batch),
    )
    return replace(job, config=config, epochs=1)


def measured(jobs: dict[int, Job]) -> list[Row]:
    """Return the seconds of an epoch of each job, and of its matrix products, on one core."""
    with on_cores(1):
        return [
            (size, seconds(ours(job)), seconds(partial(limit, job))) for size, job in jobs.items()
        ]


def print_sizes(name: str, rows: Sequence[Row], jobs: dict[int, Job]) -> None:
    """Print a table of sizes as Markdown."""
    print(
        f"\n| {name} | s an epoch | products, all pixels | share | GFLOP/s |\n|---|---|---|---|---|"
    )
    for size, took, products in rows:
        job = jobs[size]
        widths = [job.X.shape[1], *job.config.network.hidden, job.Y.shape[1]]
        operations = training_flops(widths, len(job.X), len(job.X) + len(job.X_v), 1)
        share, rate = products / took, operations / took / 1e9
        print(f"| {size} | {took:.2f} | {products:.2f} | {share:.0%} | {rate:.0f} |")


def print_sweeps(counts: Sequence[int], workers: int, overrides: list[str]) -> Sweeps:
    """Run sweeps with one worker per core, and print a table as Markdown."""
    times: Sweeps = {1: [], workers: []}
    print(f"\n| seeds, 1 epoch | 1 core, s | {workers} cores, s | efficiency |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            took = {}
            for number in times:
                into = Path(folder) / f"{count}-{number}"
                took[number], _ = sweep(number, count, ["training.epochs=1", *overrides], into)
                times[number].append((count, took[number]))
            efficiency = took[1] / took[workers] / min(workers, count)
            print(
                f"| {count} | {took[1]:.1f} | {took[workers]:.1f} | {efficiency:.2f} |", flush=True
            )
    return times


def draw(hidden: Sequence[Row], batches: Sequence[Row], sweeps: Sweeps) -> Figure:
    """Draw the three tables."""
    figure, panels = subplots(3.2, 1, 3, width=10)
    for axes, rows, name in (
        (panels[0], hidden, "first hidden layer"),
        (panels[1], batches, "batch size"),
    ):
        sizes, took, products = zip(*rows, strict=True)
        axes.plot(sizes, took, "o-", color=BLUE, label="training and evaluation")
        axes.plot(sizes, products, "--", color=GREY, label="products alone, all pixels")
        _doubling(axes, sizes)
        axes.set(xlabel=name, ylabel="seconds an epoch")
    panels[0].set_yscale("log")
    panels[1].set_ylim(bottom=0)
    for (workers, swept), colour in zip(sweeps.items(), (ORANGE, BLUE), strict=False):
        counts, seconds_taken = zip(*swept, strict=True)
        label = f"{workers} core" + ("s" if workers > 1 else "")
        panels[2].plot(counts, seconds_taken, "o-", color=colour, label=label)
        _doubling(panels[2], counts)
    panels[2].set_yscale("log")
    panels[2].set(xlabel="seeds, an epoch each", ylabel="seconds")
    for axes in panels:
        axes.legend(fontsize=8)
    return figure


def _doubling(axes: Axes, sizes: Sequence[int]) -> None:
    """Use a logarithmic axis with a tick at each size."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())


def main() -> None:
    """Print the tables; draw the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--hidden", type=int, nargs="*", default=HIDDEN)
    parser.add_argument("--batches", type=int, nargs="*", default=BATCHES)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    job = load([0], 1)
    by_hidden = {size: sized(job, size, job.batch) for size in options.hidden}
    layers = job.config.network.hidden[0]
    by_batch = {size: sized(job, layers, size) for size in options.batches}
    hidden, batches = measured(by_hidden), measured(by_batch)
    print_sizes("first hidden layer (the second has half of it)", hidden, by_hidden)
    print_sizes("batch size", batches, by_batch)
    workers = len(os.sched_getaffinity(0))
    sweeps = print_sweeps(options.seeds, workers, options.overrides)
    if options.figure is not None:
        save(draw(hidden, batches, sweeps), options.figure)


if __name__ == "__main__":
    main()

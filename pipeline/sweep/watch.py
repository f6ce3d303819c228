"""Show a sweep's progress: one line per finished seed, and bars on a terminal.

Convention: it only reads records, so it works in the same way with every launcher.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.records.record import read_record
from pipeline.sweep.jobs import Job

POLL_SECONDS = 1.0  # each time, the networks that are being trained are read
# Without a terminal, progress is printed at least this often.
SILENT_SECONDS = 30.0
# As many jobs as fit a screen, or a line.
MOST_SHOWN = 16


@contextmanager
def watching(jobs: Sequence[Job], console: Console) -> Iterator[None]:
    """Show the jobs' progress while the context lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(jobs, console, stop), daemon=True, name="watch")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch(jobs: Sequence[Job], console: Console, stop: threading.Event) -> None:
    started = said = time.monotonic()

    def say(text: str) -> None:
        nonlocal said
        said = time.monotonic()
        line = f"{text}, at {said - started:.0f} s"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
    )
    bars = Progress(*columns, console=console, transient=True)
    with bars if console.is_terminal else nullcontext():
        all_seeds = bars.add_task("all seeds", total=len(jobs))
        # No dict by label: two jobs that differ in an unused setting, such as epsilon, share one.
        waiting = [(job, bars.add_task(job.label, visible=False)) for job in jobs]
        while True:
            last = stop.is_set()
            training: list[str] = []
            for job, task in list(waiting):
                history, epochs = read_record(job.folder).history, job.config.training.epochs
                if len(history) >= epochs:
                    accuracy = history[-1]["validation"]["accuracy"]
                    done = f"{epochs} epoch{'s' if epochs > 1 else ''}"
                    say(f"{job.label}: {done}, validation {100 * accuracy:.2f} %")
                    bars.remove_task(task)
                    bars.advance(all_seeds)
                    waiting.remove((job, task))
                elif history and len(training) < MOST_SHOWN:
                    training.append(f"{job.label} at epoch {len(history)} of {epochs}")
                    bars.update(task, total=epochs, completed=len(history), visible=True)
            if last:
                return
            if not console.is_terminal and time.monotonic() - said > SILENT_SECONDS:
                say("; ".join([f"{len(waiting)} of {len(jobs)} seeds to go", *training]))
            stop.wait(POLL_SECONDS)

"""Watching a sweep from its records: one bar per seed on a terminal, one line per seed elsewhere.

Convention: it only reads; whichever launcher runs the jobs, their records tell how far they are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipeline.records.record import Record

POLL_SECONDS = 0.25
# Away from a terminal, a training is silent for no longer.
SILENT_SECONDS = 30.0
# Bars beyond these would not fit a screen; the last line counts all jobs.
MOST_BARS = 16


@dataclass
class Watched:
    """A job on the screen."""

    label: str
    record: Record
    epochs: int
    reused: bool


@contextmanager
def watching(jobs: Sequence[Watched], console: Console) -> Iterator[None]:
    """Show how far the jobs are for as long as the context lasts."""
    stop = threading.Event()
    screen = _Bars(jobs, console) if console.is_terminal else _Lines(jobs, console)
    thread = threading.Thread(target=screen.run, args=(stop,), daemon=True, name="watch")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Bars:
    def __init__(self, jobs: Sequence[Watched], console: Console) -> None:
        self._jobs, self._console = jobs, console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[score]}"),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console)
        self._total = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f} seeds"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[int, TaskID] = {}
        self._done: set[int] = set()

    def run(self, stop: threading.Event) -> None:
        everything = self._total.add_task("all", total=len(self._jobs))
        with Live(Group(self._bars, self._total), console=self._console, refresh_per_second=8):
            while True:
                last = stop.is_set()
                for index in range(len(self._jobs)):
                    self._update(index)
                self._total.update(everything, completed=len(self._done))
                if last:
                    return
                stop.wait(POLL_SECONDS)

    def _update(self, index: int) -> None:
        if index in self._done:
            return
        job = self._jobs[index]
        history = job.record.progress()
        if not history:
            return
        if index not in self._tasks:
            self._make_room()
            label = f"{job.label}, reused" if job.reused else job.label
            self._tasks[index] = self._bars.add_task(label, total=job.epochs, score="")
        score = f"validation {history[-1]['validation']['accuracy']:.2%}"
        self._bars.update(self._tasks[index], completed=len(history), score=score)
        if len(history) >= job.epochs:
            self._bars.stop_task(self._tasks[index])
            self._done.add(index)

    def _make_room(self) -> None:
        if len(self._tasks) >= MOST_BARS:
            for index in list(self._tasks):
                if index in self._done:
                    self._bars.remove_task(self._tasks.pop(index))
                    return


class _Lines:
    def __init__(self, jobs: Sequence[Watched], console: Console) -> None:
        self._jobs, self._console = list(jobs), console
        self._started = self._last = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        waiting = list(self._jobs)
        while True:
            last = stop.is_set()
            waiting = [job for job in waiting if not self._has_ended(job)]
            if last:
                return
            if time.monotonic() - self._last > SILENT_SECONDS:
                self._tell_life(waiting)
            stop.wait(POLL_SECONDS)

    def _has_ended(self, job: Watched) -> bool:
        history = job.record.progress()
        if len(history) < job.epochs:
            return False
        accuracy = history[-1]["validation"]["accuracy"]
        done = f"{job.epochs} epoch{'s' if job.epochs > 1 else ''}"
        self._print(f"{job.label}: {'reused' if job.reused else done}, validation {accuracy:.2%}")
        return True

    def _tell_life(self, waiting: Sequence[Watched]) -> None:
        epochs = [(job.label, len(job.record.progress()), job.epochs) for job in waiting]
        training = [f"{label} at epoch {done} of {of}" for label, done, of in epochs if done]
        left = f"{len(waiting)} of {len(self._jobs)} seeds to go"
        self._print("; ".join([left, *training[:MOST_BARS]]))

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        line = f"{text}, at {self._last - self._started:.0f} s"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

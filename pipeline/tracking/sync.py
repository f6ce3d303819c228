"""When the mirror runs: once, over all records, or along with a sweep that is training."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pipeline.base.config import Config
from pipeline.base.errors import NotMirrored
from pipeline.base.masking import printable
from pipeline.base.paths import Paths
from pipeline.tracking.mirror import Difference, Mirror
from pipeline.tracking.plan import Plan, Records
from pipeline.tracking.store import LATER, PATIENCE, address, alone_with, connect, not_mirrored

POLL_SECONDS = 2.0
BUSY = 0.1  # seconds of computing by which a process shows that it is not waiting


def sync(config: Config, paths: Paths, *, rebuild: bool = False) -> None:
    """Bring the store up to date with all records.

    Args:
        config: has the store's address.
        paths: where the records are.
        rebuild: delete all runs of this checkout's first.

    Raises:
        NotMirrored: the store cannot be reached, or refuses; or a record cannot be shown.
    """
    plan, wrong = Records(paths, config.study).plan()
    with _told(config, paths, plan) as on_run:
        mirror = Mirror(connect(config.tracking.uri, paths), on_run, anew=rebuild)
        mirror.ask(plan)
        mirror.bring_up_to_date(plan)
    _refuse(wrong)


def status(config: Config, paths: Paths) -> None:
    """Print what is in the records, what in the store, and what differs: every value looked at.

    Raises:
        NotMirrored: see `sync`.
    """
    plan, wrong = Records(paths, config.study).plan()
    with _told(config, paths, plan) as on_run:
        mirror = Mirror(connect(config.tracking.uri, paths), on_run)
        mirror.ask(plan)
        differences = mirror.differences(plan)
    table = Table("study", "run", "records say", "same in the store", box=None, pad_edge=False)
    for study in sorted(differences):
        for parent in plan.get(study, []):
            for wanted in (parent.run, *parent.children):
                difference = differences[study].pop(wanted.key)
                name = wanted.name if wanted is parent.run else f"  {wanted.name}"
                says = wanted.status.lower()
                table.add_row(*map(_plain, (study, name, says, _in_words(difference))))
        for key, difference in differences[study].items():
            table.add_row(*map(_plain, (study, key, "nothing", _in_words(difference))))
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)
    _refuse(wrong)


def _in_words(difference: Difference) -> str:
    parts = []
    if difference.wrong:
        parts.append(f"wrong: {', '.join(difference.wrong)}")
    if difference.missing:
        parts.append(f"missing: {', '.join(difference.missing)}")
    return f"no ({'; '.join(parts)})" if parts else "yes"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))


def _refuse(wrong: list[str]) -> None:
    if wrong:
        raise NotMirrored(f"{'; '.join(wrong)}; delete the folder and train again")


@contextmanager
def _told(config: Config, paths: Paths, plan: Plan) -> Iterator[Callable[[], None]]:
    """Hold the store; show how far the mirror is, and report a store that fails or is slow."""
    uri = config.tracking.uri
    where = printable(address(uri, paths))
    runs = sum(1 + len(parent.children) for parents in plan.values() for parent in parents)
    console = Console(stderr=True)
    with (
        _slowness_told(where) as heard,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("MLflow", total=runs)

        def on_run() -> None:
            heard()
            progress.advance(task)

        try:
            with alone_with(paths):
                yield on_run
        except NotMirrored:
            raise
        except Exception as error:  # MLflow raises what its store's library raises
            raise not_mirrored(error, uri, paths) from error


@contextmanager
def _slowness_told(where: str) -> Iterator[Callable[[], None]]:
    """Print a line when nothing has been heard of the store for some seconds.

    A process that computes is not waiting: a busy machine is no reason to warn.
    """
    last, used = time.monotonic(), time.process_time()
    ended = threading.Event()

    def heard() -> None:
        nonlocal last
        last = time.monotonic()

    def watch() -> None:
        nonlocal used
        while not ended.wait(0.5):
            if time.process_time() - used > BUSY:
                used = time.process_time()
                heard()
            if time.monotonic() - last > PATIENCE:
                print(
                    f"warning: {where} does not answer yet, waiting; if this is stopped, {LATER}",
                    file=sys.stderr,
                    flush=True,
                )
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield heard
    finally:
        ended.set()


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()  # returns when the other end is closed, or its process is gone
    ended.set()


def follow(config: Config, paths: Paths) -> None:
    """Mirror until standard input is closed, then once more.

    Its first line names the study and the store's address. Between the first pass and the last,
    only what training has changed since is looked at.

    Runs as a process of its own beside a sweep, at the lowest priority. It outlives Ctrl-C,
    which reaches it with the sweep, for as long as the last pass takes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(19)
    order = json.loads(sys.stdin.readline() or "{}")
    if not order:
        return  # who wanted to give it is gone
    config = replace(
        config, study=order["study"], tracking=replace(config.tracking, uri=order["uri"])
    )
    uri = config.tracking.uri
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    records, mirror, told = Records(paths, config.study), None, False
    with _slowness_told(printable(address(uri, paths))) as heard:
        while True:
            heard()
            last = ended.is_set()
            try:
                plan, wrong = records.plan()
                with alone_with(paths):
                    if mirror is None or last:
                        mirror = Mirror(connect(uri, paths), heard)
                        mirror.ask(plan)
                    mirror.bring_up_to_date(plan)
                if last:
                    _refuse(wrong)
            except Exception as error:  # whatever it is, training does not depend on it
                if not told:
                    told = True
                    why = not_mirrored(error, uri, paths)
                    print(f"warning: {why}; training goes on", file=sys.stderr, flush=True)
                mirror = None
            if last:
                return
            ended.wait(POLL_SECONDS)

"""Mirror all records into MLflow, once or repeatedly while a sweep trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from pipeline.base.config import Config
from pipeline.base.console import plain_table, wide_console
from pipeline.base.errors import Failed
from pipeline.base.masking import printable
from pipeline.base.paths import Paths
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.plan import Known, Run, plan
from pipeline.tracking.store import held

POLL_SECONDS = 2.0
# Pause between passes, in durations of a pass, so that they take a fifth of a core at most.
PAUSE = 4


def sync(
    config: Config, paths: Paths, *, rebuild: bool = False, known: Known | None = None
) -> None:
    """Bring the store up to date with all records.

    Args:
        config: holds the store's address.
        paths: of the records.
        rebuild: whether to replace every run with a new one.
        known: cache of records, see `plan`; if given, no progress is shown.

    Raises:
        Failed: the store cannot be reached or refuses, or a record is unusable.
    """
    runs, wrong = plan(paths, config.study, {} if known is None else known)
    console = Console(stderr=True)
    pending: Iterable[Run] = runs
    if known is None and console.is_terminal:
        pending = track(runs, "MLflow", console=console, transient=True)
    with held(config.tracking.uri, paths) as store:
        mirror = Mirror(store, runs)
        for run in pending:
            mirror.put(run, anew=rebuild)
        mirror.delete_others()
    _refuse(wrong)


def status(config: Config, paths: Paths) -> None:
    """Compare every value of the records with the store, and print what differs.

    Raises:
        Failed: see `sync`.
    """
    runs, wrong = plan(paths, config.study, {})
    table = plain_table("study", "run", "records say", "same in the store")
    with held(config.tracking.uri, paths) as store:
        mirror = Mirror(store, runs)
        for run in runs:
            differing = ", ".join(mirror.differences(run))
            name, says = f"{'  ' if run.parent else ''}{run.name}", run.status.lower()
            row = run.study, name, says, f"no ({differing})" if differing else "yes"
            table.add_row(*(escape(printable(cell)) for cell in row))
        for other in mirror.others():
            table.add_row("", escape(printable(other.info.run_name)), "nothing", "no")
    wide_console().print(table)
    _refuse(wrong)


def _refuse(wrong: list[str]) -> None:
    if wrong:
        raise Failed(f"{'; '.join(wrong)}; delete the folder and train again")


def follow(config: Config, paths: Paths, ended: Connection) -> None:
    """Bring the store up to date again and again while a sweep trains, then once more.

    Args:
        config: holds the store's address.
        paths: of the records.
        ended: can be read once the sweep has closed the other end, or has ended itself.
    """
    known: Known = {}
    warned = last = False
    while not last:
        last, began = ended.poll(), time.monotonic()
        try:
            sync(config, paths, known=known)
        except Exception as error:  # no error here may stop the training
            if not warned:
                warned = True
                print(f"warning: {error}; training continues", file=sys.stderr, flush=True)
        if not last:
            ended.poll(max(POLL_SECONDS, PAUSE * (time.monotonic() - began)))

"""When the mirror runs: once, over all records, or along with a sweep that is training."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pipeline.config import Config
from pipeline.errors import NotMirrored
from pipeline.masking import masked, printable
from pipeline.paths import Paths
from pipeline.records.identity import FORMAT
from pipeline.tracking.plan import plan, unreadable
from pipeline.tracking.receipt import receipt, receipt_path, write_receipt
from pipeline.tracking.store import address, connect

if TYPE_CHECKING:
    from pipeline.tracking.mirror import Mirror

POLL_SECONDS = 2.0
LONGEST_REASON = 200  # characters; an HTTP error says more than a line
LATER = "`python -m pipeline.stages.track` mirrors later"


def sync(config: Config, paths: Paths) -> int:
    """Bring the store up to date with all records; returns how many runs had changed.

    Raises:
        NotMirrored: the store cannot be reached, or refuses.
    """
    before = receipt(config, paths)
    wanted = plan(config, paths)
    try:
        changed = _mirror(config, paths).bring_up_to_date(wanted)
    except Exception as error:  # MLflow raises what its store's library raises
        raise NotMirrored(f"{_not_mirrored(error, config, paths)}; {LATER}") from error
    damaged = unreadable(paths)
    if damaged:
        raise NotMirrored(f"{'; '.join(damaged)}; delete the folder and train again")
    write_receipt(before, config, paths)
    return changed


def _mirror(config: Config, paths: Paths) -> Mirror:
    from pipeline.tracking.mirror import Mirror

    client = connect(config.tracking.uri, paths)
    return Mirror(client, paths, local=config.tracking.uri is None)


def _not_mirrored(error: Exception, config: Config, paths: Paths) -> str:
    reason = " ".join(str(error).split())[:LONGEST_REASON]
    where = masked(address(config.tracking.uri, paths))
    return printable(f"nothing is mirrored to {where} ({masked(reason)})")


def rebuild(config: Config, paths: Paths) -> None:
    """Delete the store's runs of the studies that the records know, and mirror them anew."""
    client = connect(config.tracking.uri, paths)
    for study in plan(config, paths):
        experiment = client.get_experiment_by_name(study)
        if experiment is not None:
            for run in _mirrored_runs(client, experiment.experiment_id):
                client.delete_run(run.info.run_id)
    receipt_path(paths).unlink(missing_ok=True)
    sync(config, paths)


def _mirrored_runs(client: Any, experiment: str) -> list[Any]:
    """Return the runs that are of records; those of an earlier format's are left alone."""
    from pipeline.tracking.mirror import RECORD_FORMAT

    found, token = [], None
    wanted = f"tags.`{RECORD_FORMAT}` = '{FORMAT}'"
    while True:
        page = client.search_runs([experiment], wanted, page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found


def status(config: Config, paths: Paths) -> None:
    """Print what is in the records, what in the store, and what differs."""
    from pipeline.tracking.mirror import KEY, MIRRORED

    client = connect(config.tracking.uri, paths)
    table = Table("study", "run", "records say", "store has", "same", box=None, pad_edge=False)
    for study, parents in plan(config, paths).items():
        experiment = client.get_experiment_by_name(study)
        runs = [] if experiment is None else _mirrored_runs(client, experiment.experiment_id)
        stored = {run.data.tags[KEY]: run for run in runs}
        for parent in parents:
            for wanted in (parent.run, *parent.children):
                run = stored.pop(wanted.key, None)
                has = "nothing" if run is None else run.info.status.lower()
                same = run is not None and run.data.tags.get(MIRRORED) == wanted.digest()
                name = wanted.name if wanted is parent.run else f"  {wanted.name}"
                table.add_row(study, name, wanted.status.lower(), has, "yes" if same else "no")
        for run in stored.values():
            table.add_row(study, run.info.run_name, "nothing", run.info.status.lower(), "no")
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()  # returns when the other end is closed, or its process is gone
    ended.set()


def follow(config: Config, paths: Paths) -> None:
    """Mirror what the first line of standard input names until that is closed, then once more.

    The line holds the study, the store's address, and the records' identities (null: all).

    Runs as a process of its own beside a sweep, at the lowest priority. It outlives Ctrl-C,
    which reaches it with the sweep, for as long as the last pass takes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(19)
    order = json.loads(sys.stdin.readline() or "{}")
    if not order:
        return  # who wanted to give it is gone
    identities = order["identities"]
    tracking = replace(config.tracking, uri=order["uri"])
    config = replace(config, study=order["study"], tracking=tracking)
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    mirror = None
    told = False
    while True:
        last = ended.is_set()
        try:
            if mirror is None:
                mirror = _mirror(config, paths)
            mirror.bring_up_to_date(plan(config, paths, identities))
        except Exception as error:  # whatever it is, training does not depend on it
            if not told:
                told = True
                why = _not_mirrored(error, config, paths)
                print(f"warning: {why}; training goes on, {LATER}", file=sys.stderr, flush=True)
            mirror = None
        if last:
            return
        ended.wait(POLL_SECONDS)

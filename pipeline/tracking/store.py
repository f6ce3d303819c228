"""The store: where it is, whether it is valid, and the error message if it is not.

Convention: the checkout's own store is `mlflow.db`; `tracking.uri` names another. Artifacts of a
sqlite store lie in `mlartifacts/` beside its file; those of a server, where the server keeps them.
"""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pipeline.base.errors import NotMirrored
from pipeline.base.files import sha256, write_bytes
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
OWN = "own"  # what keys begin with in a checkout's own store, whoever else writes there
# A tag of the experiments and runs that are made here: the format of the records they show.
RECORD_FORMAT = "pipeline.format"
PATIENCE = 8.0  # seconds; who waits for a store is told within ten
TURN = 60.0  # seconds for which one waits for another process that is mirroring
BUSY = 0.01  # seconds of computing in one by which a process shows that it is not waiting
# Set before MLflow is imported. Its own defaults wait 250 s for a server that is away.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",  # what is written last, has to be
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# Some of those that a store has, and what sqlite calls a file that is damaged or lacks one.
TABLES = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags", "inputs",
          "datasets", "logged_models")  # fmt: skip
NO_STORE = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR")
LATER = "`pipeline track` mirrors later"


@dataclass(frozen=True)
class Store:
    """A store that answers.

    Attributes:
        client: MLflow's.
        owner: of the runs that this checkout makes: begins their keys.
        artifacts: where artifacts of new experiments go; None: where the server keeps them.
    """

    client: MlflowClient
    owner: str
    artifacts: str | None


@contextmanager
def held(uri: str | None, paths: Paths) -> Iterator[Store]:
    """Hold the store, which exists afterwards, against other processes of this checkout.

    Raises:
        NotMirrored: it cannot be reached, is no store of MLflow's, or fails in the meantime; or
            another process has been mirroring for a minute.
    """
    where = printable(address(uri, paths))
    try:
        with ExitStack() as stack:
            with _told_when_slow(where):
                paths.records.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(f"{paths.store}.lock", timeout=TURN))
                store = connect(uri, paths)
            yield store
    except NotMirrored:
        raise
    except Timeout:
        raise NotMirrored(f"another process is mirroring right now; {LATER}") from None
    except Exception as error:  # MLflow raises what its store's library raises
        raise NotMirrored(f"nothing is mirrored to {where} ({one_line(error)}); {LATER}") from error


def connect(uri: str | None, paths: Paths) -> Store:
    """Return the store, which exists afterwards.

    A file in the place of the checkout's own store that is none, or is another checkout's, is
    moved aside.

    Raises:
        Exception: it cannot be reached, or is no store of MLflow's.
    """
    where = address(uri, paths)
    os.environ.update(SETTINGS)
    file = artifacts = None
    if where.startswith(SQLITE):
        file = Path(where.removeprefix(SQLITE))
        artifacts = (file.parent / "mlartifacts").as_uri()
        _check_file(file, artifacts, own=uri is None)
    import mlflow

    for noisy in ("alembic", "mlflow"):
        # Above its errors, too, which are tracebacks: what it raises is told in one line.
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    if file is not None and not file.exists():
        # Under another name first: cut off in the middle, it is of no use.
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(b"")  # fails at once where MLflow would try for two minutes
        mlflow.MlflowClient(f"{SQLITE}{new}").search_experiments(max_results=1)
        new.replace(file)
    mlflow.set_tracking_uri(where)
    client = mlflow.MlflowClient(where)
    client.search_experiments(max_results=1)
    return Store(client, OWN if uri is None else _owner(paths), artifacts)


def address(uri: str | None, paths: Paths) -> str:
    """Return the store's address, the same from whichever folder it is asked for."""
    if uri is None:
        return f"{SQLITE}{paths.store}"
    if uri.startswith(SQLITE):
        return f"{SQLITE}{paths.home / uri.removeprefix(SQLITE)}"
    return uri


@contextmanager
def _told_when_slow(where: str) -> Iterator[None]:
    """Print a line when a store has not answered for some seconds."""
    answered = threading.Event()

    def watch() -> None:
        while not answered.wait(PATIENCE - 1):
            used = time.process_time()
            # A process that computes is not waiting: a busy machine is no reason to warn.
            if not answered.wait(1) and time.process_time() - used < BUSY:
                line = f"warning: {where} does not answer yet, waiting; if this is stopped, {LATER}"
                print(line, file=sys.stderr, flush=True)
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        answered.set()


# --- a sqlite file -----------------------------------------------------------------------------


def _check_file(file: Path, artifacts: str, *, own: bool) -> None:
    """See to it that a file can be MLflow's store, or is not there yet."""
    if not os.access(file.parent, os.W_OK):
        raise PermissionError(f"{file.parent} is no folder that can be written to")
    reason = _why_not(file, artifacts) if file.exists() else None
    if reason is None:
        return
    if not own:
        raise ValueError(f"{file} {reason}")
    names = (file.with_name(f"{file.name}.aside-{number}") for number in itertools.count(1))
    aside = file.rename(next(path for path in names if not path.exists()))
    for suffix in ("-journal", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    print(f"{printable(str(file))} {reason}: moved to {aside.name}, and made anew", file=sys.stderr)


def _why_not(file: Path, artifacts: str) -> str | None:
    """Return why a file can not be the store; None if it can.

    Raises:
        OSError, sqlite3.Error: it cannot be read or written, or somebody holds it.
    """
    if not file.is_file():
        raise OSError(f"{file} is no file")
    if file.stat().st_size == 0:
        return None  # MLflow fills it
    try:
        with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
                return "is damaged"
            for table in TABLES:
                database.execute(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608 - our own names
            # Only of experiments that were made here; others are their makers' concern.
            locations = database.execute(
                "SELECT artifact_location FROM experiments NATURAL JOIN experiment_tags "
                "WHERE key = ? AND artifact_location <> ?",
                (RECORD_FORMAT, artifacts),
            )
            if locations.fetchall():
                return "keeps its artifacts elsewhere, since it was moved or copied"
    except sqlite3.DatabaseError as error:
        if not error.sqlite_errorname.startswith(NO_STORE):
            raise
        return f"is no store of MLflow's ({error})"
    return None


def _owner(paths: Paths) -> str:
    """Return what this checkout's keys begin with where several share a store.

    It is kept in `records/`. A copy of that folder has another inode, and so becomes an owner of
    its own.
    """
    paths.records.mkdir(parents=True, exist_ok=True)
    file = paths.records / f"owner-{paths.records.stat().st_ino}"
    if not file.exists():
        write_bytes(file, secrets.token_hex().encode())
    return sha256(file.read_bytes())[:12]

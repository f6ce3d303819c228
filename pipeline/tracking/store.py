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
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pipeline.base.errors import Failed
from pipeline.base.files import write_bytes
from pipeline.base.masking import one_line, printable
from pipeline.base.paths import Paths

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
OWN = "own"  # prefix of the keys in a checkout's own store
# Tag of the experiments and runs made here: the format of their records.
RECORD_FORMAT = "pipeline.format"
PATIENCE = 8.0  # seconds without an answer until a warning is printed
TURN = 60.0  # seconds to wait while another process is mirroring
# Set before MLflow is imported. By default it waits 250 s for an unreachable server.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",  # the mirror relies on the order of its writes
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# sqlite's errors for a file that is damaged, or lacks MLflow's tables.
NO_STORE = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR")
LATER = "run `pipeline track` later"


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes:
        client: MLflow's.
        owner: prefix of the keys of this checkout's runs.
        artifacts: location for artifacts of new experiments; None: the server decides.
    """

    client: MlflowClient
    owner: str
    artifacts: str | None


@contextmanager
def held(uri: str | None, paths: Paths) -> Iterator[Store]:
    """Open the store, create it if needed, and lock it against other processes of this checkout.

    Raises:
        Failed: it cannot be reached, is not an MLflow store, or fails while it is open; or
            another process has been mirroring for a minute.
    """
    where = printable(address(uri, paths))
    try:
        with FileLock(f"{paths.store}.lock", timeout=TURN):
            yield connect(uri, paths)
    except Failed:
        raise
    except Timeout:
        raise Failed(f"another process is writing to MLflow right now; {LATER}") from None
    except Exception as error:  # MLflow passes on the errors of its libraries
        raise Failed(f"nothing is written to {where} ({one_line(error)}); {LATER}") from error


def connect(uri: str | None, paths: Paths) -> Store:
    """Open the store; create it if needed.

    If the file of the checkout's own store is no store, or belongs to another checkout, it is
    moved aside.

    Raises:
        Exception: it cannot be reached, or is not an MLflow store.
    """
    where = address(uri, paths)
    os.environ.update(SETTINGS)
    file = artifacts = None
    if where.startswith(SQLITE):
        file = Path(where.removeprefix(SQLITE))
        artifacts = (file.parent / paths.artifacts.name).as_uri()
        _check_file(file, artifacts, own=uri is None)
    import mlflow

    for noisy in ("alembic", "mlflow"):
        # Hides its logged tracebacks: an exception is reported in one line anyway.
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    if file is not None and not file.exists():
        # Created under another name first: a partly created store is useless.
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(b"")  # fails at once; MLflow would retry for two minutes
        mlflow.MlflowClient(f"{SQLITE}{new}").search_experiments(max_results=1)
        new.replace(file)
    mlflow.set_tracking_uri(where)
    client = mlflow.MlflowClient(where)
    waiting = f"{printable(where)} does not answer yet; waiting. If you stop this, {LATER}"
    slow = threading.Timer(PATIENCE, sys.stderr.write, [f"warning: {waiting}\n"])
    slow.daemon = True
    slow.start()
    try:
        client.search_experiments(max_results=1)
    finally:
        slow.cancel()
    return Store(client, OWN if uri is None else _owner(paths), artifacts)


def address(uri: str | None, paths: Paths) -> str:
    """Return the store's address, independent of the current folder."""
    if uri is None:
        return f"{SQLITE}{paths.store}"
    if uri.startswith(SQLITE):
        return f"{SQLITE}{paths.home / uri.removeprefix(SQLITE)}"
    return uri


# --- a sqlite file -----------------------------------------------------------------------------


def _check_file(file: Path, artifacts: str, *, own: bool) -> None:
    """Check that a file can be MLflow's store; move the checkout's own aside if it cannot."""
    if not os.access(file.parent, os.W_OK):
        raise PermissionError(f"{file.parent} is not a folder that can be written to")
    reason = _why_not(file, artifacts) if file.exists() else None
    if reason is None:
        return
    if not own:
        raise ValueError(f"{file} {reason}")
    names = (file.with_name(f"{file.name}.aside-{number}") for number in itertools.count(1))
    aside = file.rename(next(path for path in names if not path.exists()))
    for suffix in ("-journal", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    print(
        f"{printable(str(file))} {reason}: moved to {aside.name} and created again", file=sys.stderr
    )


def _why_not(file: Path, artifacts: str) -> str | None:
    """Return why a file cannot be the store; None if it can.

    Raises:
        OSError, sqlite3.Error: it cannot be read or written, or is locked.
    """
    if not file.is_file():
        raise OSError(f"{file} is not a file")
    if file.stat().st_size == 0:
        return None  # MLflow fills it
    try:
        with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            if database.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
                return "is damaged"
            # Only experiments that were made here count.
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
        return f"is not a store of MLflow's ({error})"
    return None


def _owner(paths: Paths) -> str:
    """Return the prefix of this checkout's keys in a store that several checkouts share.

    Its file outlives the records, whose runs are still this checkout's when they are deleted. It is
    named by the folder's inode, so that a copy of the folder gets its own.
    """
    file = paths.home / f".mlflow-owner-{paths.home.stat().st_ino}"
    if not file.exists():
        write_bytes(file, secrets.token_hex(6).encode())
    return file.read_text()

"""Reaching the store: where it is, whether it is one, and what is told when it is not.

Convention: the checkout's own store is `mlflow.db`; `tracking.uri` names another. Artifacts of a
sqlite store lie in `mlartifacts/` beside its file; those of a server, where the server keeps them.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from pipeline.base.errors import NotMirrored, UserError
from pipeline.base.files import read_json, write_json
from pipeline.base.masking import masked, one_line, printable
from pipeline.base.paths import Paths
from pipeline.tracking.plan import RECORD_FORMAT

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
OWN = "own"  # what keys begin with in a checkout's own store, whoever else writes there
PATIENCE = 8.0  # seconds; who waits for a store is told within ten
TURN = 60.0  # seconds for which one waits for another process that is mirroring
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
LATER = "`python -m pipeline.stages.track` mirrors later"


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


def address(uri: str | None, paths: Paths) -> str:
    """Return the store's address, the same from whichever folder it is asked for."""
    if uri is None:
        return f"{SQLITE}{paths.store}"
    if uri.startswith(SQLITE):
        return f"{SQLITE}{paths.home / uri.removeprefix(SQLITE)}"
    return uri


def connect(uri: str | None, paths: Paths) -> Store:
    """Return the store, which exists afterwards.

    A file in the place of the checkout's own store that is none, or is another checkout's, is
    moved aside.

    Raises:
        NotMirrored: it cannot be reached, or is no store of MLflow's.
        Exception: whatever MLflow raises when it does not answer.
    """
    where = address(uri, paths)
    os.environ.update(SETTINGS)
    artifacts = None
    if where.startswith(SQLITE):
        file = Path(where.removeprefix(SQLITE))
        artifacts = (file.parent / "mlartifacts").as_uri()
        _check_file(file, artifacts, own=uri is None)
    import mlflow

    for noisy in ("alembic", "mlflow"):
        # Above its errors, too, which are tracebacks: what it raises is told in one line.
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    mlflow.set_tracking_uri(where)
    if where.startswith(SQLITE) and not file.exists():
        _create(file)
    client = mlflow.MlflowClient(where)
    client.search_experiments(max_results=1)
    return Store(client, OWN if uri is None else _owner(paths), artifacts)


@contextmanager
def alone_with(paths: Paths) -> Iterator[None]:
    """Let no other process of this checkout write to the store meanwhile.

    Raises:
        NotMirrored: another one has been writing for a minute.
    """
    paths.records.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{paths.store}.lock", timeout=TURN):
            yield
    except Timeout:
        raise NotMirrored(f"another process is mirroring right now; {LATER}") from None


def not_mirrored(error: Exception, uri: str | None, paths: Paths) -> NotMirrored:
    """Return what is told when the store fails."""
    if isinstance(error, NotMirrored):
        return error
    where = masked(address(uri, paths))
    return NotMirrored(printable(f"nothing is mirrored to {where} ({one_line(error)}); {LATER}"))


# --- a sqlite file -----------------------------------------------------------------------------


def _check_file(file: Path, artifacts: str, *, own: bool) -> None:
    """See to it that a file can be MLflow's store, or is not there yet."""
    if not os.access(file.parent, os.W_OK):
        raise PermissionError(f"{file.parent} is no folder that can be written to")
    if not file.exists():
        return
    reason = _why_not(file, artifacts)
    if reason is None:
        return
    if not own:
        raise ValueError(f"{file} {reason}")
    aside = next(
        path
        for number in range(1, 1000)
        if not (path := file.with_name(f"{file.name}.aside-{number}")).exists()
    )
    file.rename(aside)
    for suffix in ("-journal", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    print(f"{printable(str(file))} {reason}: moved to {aside.name}, and made anew", file=sys.stderr)


def _why_not(file: Path, artifacts: str) -> str | None:
    """Return why a file can not be the store; None if it can.

    Raises:
        OSError, sqlite3.OperationalError: it cannot be read or written, or somebody holds it.
    """
    if not file.is_file():
        raise OSError(f"{file} is no file")
    try:
        with closing(sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            if database.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
                return "is damaged"
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if not tables:
                return None  # MLflow fills it
            if not {"alembic_version", "experiments", "experiment_tags", "runs"} <= tables:
                return "is another program's database"
            # Only of experiments that were made here; others are their makers' concern.
            locations = database.execute(
                "SELECT artifact_location FROM experiments NATURAL JOIN experiment_tags "
                "WHERE key = ?",
                (RECORD_FORMAT,),
            )
            if any(location != artifacts for (location,) in locations):
                return "keeps its artifacts elsewhere, since it was moved or copied"
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return f"is no database ({error})"
    return None


def _create(file: Path) -> None:
    """Make a sqlite store under another name first: cut off in the middle, it is of no use."""
    import mlflow

    new = file.with_name(f".{file.name}.new")
    new.write_bytes(b"")  # fails at once where MLflow would try for two minutes
    mlflow.MlflowClient(f"{SQLITE}{new}").search_experiments(max_results=1)
    new.replace(file)


# --- this checkout among those that share a store ----------------------------------------------


def _owner(paths: Paths) -> str:
    """Return what this checkout's keys begin with, kept in `records/`.

    A copy of the folder has another inode, and so becomes an owner of its own.
    """
    paths.records.mkdir(parents=True, exist_ok=True)
    path, inode = paths.records / "owner.json", paths.records.stat().st_ino
    try:
        known: Any = read_json(path)
        if known["inode"] == inode and re.fullmatch(r"[0-9a-f]{12}", known["owner"]):
            return str(known["owner"])
    except (OSError, UserError, KeyError, TypeError):
        pass
    owner = secrets.token_hex(6)
    write_json(path, {"owner": owner, "inode": inode})
    return owner

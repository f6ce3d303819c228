"""Reaching the store: its address, its creation under a lock, and how long to wait for it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from pipeline.paths import Paths

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
# Set before MLflow is imported. Its own defaults wait 250 s for a server that is away.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def address(uri: str | None, paths: Paths) -> str:
    """Return the store's address: `tracking.uri`, or the sqlite file in the checkout."""
    return uri or f"{SQLITE}{paths.store}"


def _create(store: Path) -> None:
    """Make a sqlite store under another name first: cut off in the middle, it is of no use."""
    import mlflow

    if store.exists():
        return
    new = store.with_name(f".{store.name}.new")
    new.unlink(missing_ok=True)
    mlflow.MlflowClient(f"{SQLITE}{new}").search_experiments(max_results=1)
    new.replace(store)


def connect(uri: str | None, paths: Paths) -> MlflowClient:
    """Return a client of the store, which exists afterwards.

    Raises:
        Exception: whatever MLflow raises when the store cannot be reached.
    """
    for name, value in SETTINGS.items():
        os.environ[name] = value
    import mlflow

    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    where = address(uri, paths)
    mlflow.set_tracking_uri(where)
    # Processes that create a fresh sqlite store at once can ruin it for good.
    with FileLock(f"{paths.store}.lock"):
        if where.startswith(SQLITE):
            _create(Path(where.removeprefix(SQLITE)))
        client = mlflow.MlflowClient(where)
        client.search_experiments(max_results=1)
    return client

"""Getting a run's record back from the store that mirrors it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files import write_bytes
from pipeline.paths import Paths
from pipeline.records.provenance import diff_text
from pipeline.tracking.store import connect

FILES = {
    "description.json": "description.json",
    "history.jsonl": "history.jsonl",
    "manifest.json": "manifest.json",
    "model/data/model.npz": "model.npz",
}
KNOWN = ("commit", "lock", "cpu", "python")


def fetch(run_id: str, uri: str | None, paths: Paths, folder: Path) -> dict[str, Any]:
    """Write a seed's record to `folder`; returns its origin, as far as the store knows it.

    Raises:
        UserError: there is no such run, or it is no finished seed.
    """
    from mlflow.exceptions import MlflowException

    client = connect(uri, paths)
    try:
        run = client.get_run(run_id)
        names = {item.path for item in client.list_artifacts(run_id)}
        if not {"description.json", "manifest.json"} <= names:
            raise UserError(f"MLflow's run {run_id} is no finished seed; allowed is one of those")
        for artifact, name in FILES.items():
            content = Path(client.download_artifacts(run_id, artifact)).read_bytes()
            write_bytes(folder / name, content)
        origin: dict[str, Any] = {
            name: value
            for name in KNOWN
            if (value := run.data.tags.get(name, "unknown")) != "unknown"
        }
        if "uncommitted.diff" in names:
            diff = Path(client.download_artifacts(run_id, "uncommitted.diff")).read_bytes()
            origin["diff"] = diff_text(diff)
    except MlflowException as error:
        raise UserError(f"MLflow's run {run_id}: {' '.join(str(error).split())}") from None
    return origin

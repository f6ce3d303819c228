"""What a store holds, in plain values, so that two of them can be compared."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import requests
from mlflow.entities import LoggedModel, Run

from pipeline.base.paths import Paths
from pipeline.tracking.mirror import KEY
from pipeline.tracking.models import TAG
from pipeline.tracking.store import SETTINGS, address, connect
from tests.conftest import hashes

# What MLflow draws or notes by itself: ids, places, and its own bookkeeping of the model.
ITS_OWN = {KEY, "mlflow.parentRunId", "mlflow.user", "mlflow.source.type"}


def contents(paths: Paths, uri: str | None = None) -> dict[str, Any]:
    """Return every run of every study by its key: all that a pass writes, and no random id.

    A key that two runs share fails, since nothing may be there twice.
    """
    client = connect(uri, paths).client
    found: dict[str, Any] = {}
    for experiment in client.search_experiments():
        runs = client.search_runs([experiment.experiment_id], max_results=1000)
        models = models_by_run(client, experiment.experiment_id)
        # Without the owner, whom each checkout draws.
        keys = {
            run.info.run_id: f"{experiment.name}/{run.data.tags.get(KEY, '').rpartition('/')[2]}"
            for run in runs
        }
        for run in runs:
            key = keys[run.info.run_id]
            assert key not in found, f"{key} is there twice"
            found[key] = {"study": experiment.name, **_plain(client, run, keys)}
            found[key]["models"] = [_model(run, model) for model in models.get(run.info.run_id, [])]
    return found


def models_by_run(client: mlflow.MlflowClient, experiment_id: str) -> dict[str, list[LoggedModel]]:
    """Return the models that the mirror made, by their runs' ids."""
    models: dict[str, list[LoggedModel]] = {}
    for model in client.search_logged_models([experiment_id]):
        if TAG in model.tags:
            models.setdefault(model.source_run_id, []).append(model)
    return models


def _plain(client: mlflow.MlflowClient, run: Run, keys: dict[str, str]) -> dict[str, Any]:
    run_id = run.info.run_id
    tags = {name: value for name, value in run.data.tags.items() if name not in ITS_OWN}
    return {
        "name": run.info.run_name,
        "parent": keys.get(run.data.tags.get("mlflow.parentRunId", "")),
        "status": run.info.status,
        "start": run.info.start_time,
        "end": run.info.end_time,
        "params": dict(run.data.params),
        "tags": tags,
        "points": sorted(
            (m.key, m.step, m.value, m.timestamp)
            for key in run.data.metrics
            for m in client.get_metric_history(run_id, key)
        ),
        "inputs": sorted(
            (i.dataset.name, i.dataset.digest, [(t.key, t.value) for t in i.tags])
            for i in run.inputs.dataset_inputs
        ),
        "artifacts": _artifacts(client, run_id),
    }


def _model(run: Run, model: LoggedModel) -> dict[str, Any]:
    """Return a logged model, with the hash of every file but MLmodel."""
    run_id = run.info.run_id
    assert model.model_id in {output.model_id for output in run.outputs.model_outputs}
    folder = Path(mlflow.artifacts.download_artifacts(model.model_uri))
    return {
        "name": model.name,
        "status": str(model.status),
        "tags": {
            name: value.replace(run_id, "its run").partition(" ")[2]
            for name, value in model.tags.items()
        },
        "params": dict(model.params),
        "metrics": sorted(
            (m.key, m.step, m.value, m.timestamp, m.dataset_name, m.dataset_digest)
            for m in model.metrics or ()
        ),
        "files": hashes(folder, but={"MLmodel", "registered_model_meta"}),
    }


def _artifacts(client: mlflow.MlflowClient, run_id: str) -> dict[str, str]:
    """Return the hash of every artifact."""
    if not client.list_artifacts(run_id):
        return {}
    return hashes(Path(client.download_artifacts(run_id, "")))


@contextlib.contextmanager
def server(paths: Paths, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real `mlflow server` on loopback, over a store of its own."""
    folder = paths.root / "server"
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1"),
            *("--backend-store-uri", address(None, Paths(folder))),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        env={**os.environ, **SETTINGS, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server with its workers, at once."""
    import signal

    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def wait_for(url: str, process: subprocess.Popen[Any]) -> None:
    ends = time.monotonic() + 60
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(url, timeout=5).ok:
                return
        assert process.poll() is None, f"the server ended with {process.returncode}"
        assert time.monotonic() < ends, f"{url} does not answer"
        time.sleep(0.2)

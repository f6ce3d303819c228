"""Bringing the store to what the plan says, in steps that may be cut off anywhere.

Convention: a run is found by its key; what it has already is not written again; the tag
`pipeline.mirrored`, the digest of all it has to hold, is written last. So a second pass changes
nothing, and a pass after one that was killed completes it.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.paths import Paths
from pipeline.records.identity import FORMAT
from pipeline.tracking.datasets import dataset_input
from pipeline.tracking.models import Model, Score, bring_model_up_to_date, stored_models
from pipeline.tracking.plan import FINAL, SOMETIMES, Parent, Plan, Point, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY, MIRRORED = "pipeline.key", "pipeline.mirrored"
RECORD_FORMAT = "pipeline.format"  # of the record that a run is of
BATCH = 1000  # of metrics, MLflow's limit
# A "shared view" of MLflow's runs table, which by itself shows no metric.
VIEW_KEY = "accuracies"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
VIEW = {
    "selectedColumns": [
        "metrics.`test/accuracy_percent`",
        "metrics.`validation/accuracy_percent`",
        "metrics.`train/accuracy_percent`",
        "metrics.`validation/seeds`",
    ]
}


class Mirror:
    """A store, and what is known to be in it already.

    Args:
        client: of the store.
        paths: of the checkout; artifacts of a local store lie below it.
        local: whether artifacts are kept in the checkout, or by the server.
    """

    def __init__(self, client: MlflowClient, paths: Paths, *, local: bool) -> None:
        self._client, self._paths, self._local = client, paths, local
        self._digests: dict[str, str] = {}
        self._logged: dict[str, dict[tuple[str, int], float]] = {}

    def bring_up_to_date(self, plan: Plan) -> int:
        """Write what is missing; returns how many runs were not up to date."""
        changed = 0
        for study, parents in plan.items():
            experiment = self._experiment(study)
            for parent in parents:
                changed += self._parent(experiment, parent)
        return changed

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = self._paths.artifacts.as_uri() if self._local else None
            view = {VIEW_TAG: json.dumps(VIEW)}
            return str(self._client.create_experiment(name, location, view))
        if found.lifecycle_stage != "active":
            self._client.restore_experiment(found.experiment_id)
        if VIEW_TAG not in found.tags:
            self._client.set_experiment_tag(found.experiment_id, VIEW_TAG, json.dumps(VIEW))
        return str(found.experiment_id)

    def _parent(self, experiment: str, parent: Parent) -> int:
        runs = self._find(experiment, parent.run.key)
        fitting = [run for run in runs if self._extends(run, parent.run)]
        if fitting:
            parent_id, changed = fitting[0].info.run_id, 0
        else:
            parent_id, changed = self._create(experiment, parent.run, None), 1
        for child in parent.children:
            changed += self._child(experiment, child, parent_id)
        changed += self._complete(parent_id, parent.run)
        for run in runs:
            # A parent over fewer seeds: its means cannot be taken back, so the run is replaced.
            if run.info.run_id != parent_id:
                self._client.delete_run(run.info.run_id)
        return changed

    def _child(self, experiment: str, child: Run, parent_id: str) -> int:
        runs = self._find(experiment, child.key)
        if not runs:
            run_id = self._create(experiment, child, parent_id)
            self._complete(run_id, child)
            return 1
        run_id = runs[0].info.run_id
        changed = self._complete(run_id, child)
        if runs[0].data.tags.get("mlflow.parentRunId") != parent_id:
            self._client.set_tag(run_id, "mlflow.parentRunId", parent_id)
            changed = 1
        return changed

    def _find(self, experiment: str, key: str) -> list[Any]:
        return list(self._client.search_runs([experiment], f"tags.`{KEY}` = '{key}'"))

    def _create(self, experiment: str, run: Run, parent_id: str | None) -> str:
        tags = {
            KEY: run.key,
            RECORD_FORMAT: str(FORMAT),
            "mlflow.note.content": run.note,
            **run.tags,
        }
        if parent_id is not None:
            tags["mlflow.parentRunId"] = parent_id
        # One call, so that there is no moment at which a run exists without its key.
        created = self._client.create_run(
            experiment, start_time=run.start, tags=tags, run_name=run.name
        )
        return str(created.info.run_id)

    def _extends(self, found: Any, wanted: Run) -> bool:
        """Tell whether a run holds nothing that `wanted` does not want."""
        if found.data.tags.get(MIRRORED) == wanted.digest():
            return True
        wanted_points = {(point.key, point.step): point.value for point in wanted.points}
        return all(
            wanted_points.get(place) == value
            for place, value in self._points(found.info.run_id).items()
        )

    def _points(self, run_id: str) -> dict[tuple[str, int], float]:
        if run_id not in self._logged:
            keys = self._client.get_run(run_id).data.metrics
            self._logged[run_id] = {
                (metric.key, metric.step): metric.value
                for key in keys
                for metric in self._client.get_metric_history(run_id, key)
            }
        return self._logged[run_id]

    def _complete(self, run_id: str, wanted: Run) -> int:
        digest = wanted.digest()
        if self._digests.get(run_id) == digest:
            return 0
        run = self._client.get_run(run_id)
        if run.data.tags.get(MIRRORED) == digest:
            self._digests[run_id] = digest
            return 0
        self._write_points(run_id, wanted.points)
        self._write_params_and_tags(run_id, run, wanted)
        self._client.log_inputs(run_id, [dataset_input(part) for part in wanted.data])
        for name, content in wanted.artifacts.items():
            self._write_artifact(run_id, name, content)
        if wanted.model is not None:
            self._bring_model_up_to_date(run, wanted, wanted.model)
        if wanted.status in FINAL:
            self._client.set_terminated(run_id, wanted.status, wanted.end)
        elif run.info.status != wanted.status:
            self._client.update_run(run_id, status=wanted.status)
        self._client.set_tag(run_id, MIRRORED, digest)
        self._digests[run_id] = digest
        return 1

    def _write_points(self, run_id: str, points: list[Point]) -> None:
        from mlflow.entities import Metric

        logged, now = self._points(run_id), int(1000 * time.time())
        missing = [point for point in points if (point.key, point.step) not in logged]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            self._client.log_batch(
                run_id,
                metrics=[
                    Metric(p.key, p.value, now if p.time is None else p.time, p.step) for p in batch
                ],
            )
            logged.update({(p.key, p.step): p.value for p in batch})

    def _write_params_and_tags(self, run_id: str, run: Any, wanted: Run) -> None:
        from mlflow.entities import Param, RunTag

        tags = {"mlflow.note.content": wanted.note, "mlflow.runName": wanted.name, **wanted.tags}
        self._client.log_batch(
            run_id,
            params=[
                Param(name, value)
                for name, value in wanted.params.items()
                if name not in run.data.params
            ],
            tags=[
                RunTag(name, value)
                for name, value in tags.items()
                if run.data.tags.get(name) != value
            ],
        )
        # Other tags may be a user's own.
        for name in SOMETIMES & (run.data.tags.keys() - tags.keys()):
            self._client.delete_tag(run_id, name)

    def _write_artifact(self, run_id: str, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(content)
            below = str(Path(name).parent)
            self._client.log_artifact(run_id, str(path), None if below == "." else below)

    def _bring_model_up_to_date(self, run: Any, wanted: Run, model: Model) -> None:
        data = {part.part: part for part in wanted.data}
        scores = [
            Score(point.key, point.value, point.step, point.time, data[part])
            for point in wanted.points
            if (part := point.key.partition("/")[0]) in data
            and point.key.endswith(("/loss", "/accuracy"))
            and point.step == model.epochs
            and point.time is not None
        ]
        experiment, run_id = run.info.experiment_id, run.info.run_id
        stored = stored_models(self._client, experiment).get(run_id, [])
        bring_model_up_to_date(self._client, experiment, run_id, model, scores, stored)

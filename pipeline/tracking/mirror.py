"""Bringing a store to what the plan says, in steps that may be cut off anywhere.

The store itself is asked what it holds: one query an experiment gives the latest metrics,
parameters and tags of its runs. A run that is right is not touched. What is missing is added; the
tag `pipeline.mirrored`, the digest of all that a run has to hold, is written last. A run that
holds a value which is no longer right is replaced, since MLflow's metrics can only grow.
Runs, tags, metrics and words that are a user's own stay.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import NotMirrored
from pipeline.base.files import sha256
from pipeline.base.masking import one_line
from pipeline.records.identity import FORMAT
from pipeline.tracking import view
from pipeline.tracking.datasets import CONTEXTS, dataset_input
from pipeline.tracking.models import (
    Score,
    bring_model_up_to_date,
    delete_models,
    is_right,
    stored_models,
)
from pipeline.tracking.plan import (
    FINAL,
    KEY,
    LONGEST_TAG,
    RECORD_FORMAT,
    Parent,
    Plan,
    Point,
    Run,
)
from pipeline.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Experiment, LoggedModel
    from mlflow.entities import Run as StoredRun

MIRRORED = "pipeline.mirrored"
PARENT = "mlflow.parentRunId"
# Below this line of a run's description stands what a user has written.
NOTE, MARK = "mlflow.note.content", "<!-- Written from the records. Below here is yours. -->"
# Tags that a run can lose again, as when a killed one goes on.
SOMETIMES = {"reason"}
# All metrics that a plan can hold; others are a user's own.
SCORES = ("accuracy", "loss", "sd", "ci95_low", "ci95_high", "n")
OURS = {"train/learning_rate", "train/seconds", "seeds_failed"} | {
    f"{part}/{score}" for part in CONTEXTS for score in SCORES
}
UNKNOWN = 0  # of a value whose time nobody recorded
BATCH, PAGE = 1000, 1000  # of metrics and of runs: MLflow's limits
EXPERIMENT_TAGS = {RECORD_FORMAT: str(FORMAT), **view.KIND, view.TAG: view.view()}


@dataclass
class Difference:
    """What a run in the store has otherwise than wanted.

    Attributes:
        missing: what can be added or set.
        wrong: what cannot be taken back.
    """

    missing: list[str]
    wrong: list[str]


class Mirror:
    """A store, and what it has said that it holds.

    Args:
        store: which.
        on_run: called for every run that has been dealt with.
        anew: whether to replace every run, right or not.
    """

    def __init__(
        self, store: Store, on_run: Callable[[], object] = lambda: None, *, anew: bool = False
    ) -> None:
        self._store, self._client, self._on_run = store, store.client, on_run
        self._anew = anew
        self._experiments: dict[str, str] = {}
        self._runs: dict[str, dict[str, list[StoredRun]]] = {}
        self._models: dict[str, list[LoggedModel]] = {}
        self._orphans: list[LoggedModel] = []
        self._right: dict[str, str] = {}
        self._points: dict[str, dict[tuple[str, int], float]] = {}

    # --- asking --------------------------------------------------------------------------------

    def ask(self, plan: Plan) -> None:
        """Ask the store what it holds of this checkout's, in all its experiments.

        Raises:
            NotMirrored: an experiment of a study's name is another's.
        """
        from mlflow.entities import ViewType

        self._runs, self._right, self._points, self._models = {}, {}, {}, {}
        self._orphans = []
        for experiment in self._all_experiments():
            deleted = experiment.lifecycle_stage != "active"
            if experiment.name in plan:
                if self._store.artifacts not in (None, experiment.artifact_location):
                    raise NotMirrored(
                        f"{one_line(experiment.name)} is an experiment in MLflow that was not made "
                        "here and keeps its artifacts elsewhere; rename that or the study"
                    )
                if deleted:
                    self._client.restore_experiment(experiment.experiment_id)
                for name, value in EXPERIMENT_TAGS.items():
                    if experiment.tags.get(name) != value:
                        self._client.set_experiment_tag(experiment.experiment_id, name, value)
            elif deleted or RECORD_FORMAT not in experiment.tags:
                continue
            experiment_id = experiment.experiment_id
            self._experiments[experiment.name] = experiment_id
            runs = self._runs[experiment.name] = self._runs_of(experiment_id)
            models = stored_models(self._client, experiment_id)
            if models.keys() - _ids(runs):
                # Whoever deletes a run in MLflow leaves its model.
                deleted_runs = self._runs_of(experiment_id, ViewType.DELETED_ONLY)
                for run_id in models.keys() & _ids(deleted_runs):
                    self._orphans += models.pop(run_id)
            self._models |= models

    def _all_experiments(self) -> Iterator[Experiment]:
        from mlflow.entities import ViewType

        token = None
        while True:
            page = self._client.search_experiments(
                view_type=ViewType.ALL, max_results=PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _runs_of(self, experiment: str, view_type: int | None = None) -> dict[str, list[StoredRun]]:
        """Return this checkout's runs by their key; those of an earlier format are left alone."""
        from mlflow.entities import ViewType

        runs: dict[str, list[StoredRun]] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [experiment],
                f"tags.`{RECORD_FORMAT}` = '{FORMAT}'",
                ViewType.ACTIVE_ONLY if view_type is None else view_type,
                max_results=PAGE,
                page_token=token,
            )
            for run in page:
                key = run.data.tags.get(KEY, "")
                if key.startswith(f"{self._store.owner}/"):
                    runs.setdefault(key, []).append(run)
            token = page.token
            if not token:
                return runs

    def _key(self, wanted: Run) -> str:
        return f"{self._store.owner}/{wanted.key}"

    # --- comparing -----------------------------------------------------------------------------

    def differences(self, plan: Plan) -> dict[str, dict[str, Difference]]:
        """Return how the runs of each study differ from the plan, by key: every value looked at.

        After `ask`. A run that is missing, doubled or of no record differs, too.
        """
        found: dict[str, dict[str, Difference]] = {}
        for study in plan.keys() | self._runs.keys():
            runs = dict(self._runs.get(study, {}))
            by_key = found[study] = {}
            for parent in plan.get(study, []):
                parents = runs.get(self._key(parent.run), [])
                parent_id = parents[0].info.run_id if parents else None
                for wanted, above in [
                    (parent.run, None),
                    *((child, parent_id) for child in parent.children),
                ]:
                    stored = runs.pop(self._key(wanted), [])
                    if not stored:
                        by_key[wanted.key] = Difference(["the run"], [])
                    elif len(stored) > 1:
                        by_key[wanted.key] = Difference([], [f"{len(stored)} runs"])
                    else:
                        by_key[wanted.key] = self._difference(stored[0], wanted, above)
                    self._on_run()
            for key in runs:
                by_key[key] = Difference([], ["no record"])
        return found

    def _difference(self, run: StoredRun, wanted: Run, parent_id: str | None) -> Difference:
        points, stored = _by_place(wanted.points), self._stored_points(run)
        artifacts = self._stored_artifacts(run.info.run_id)
        missing = {
            *self._to_set(run, wanted, parent_id),
            *(key for key, _ in points.keys() - stored.keys()),
            *(
                name
                for name, content in wanted.artifacts.items()
                if artifacts.get(name) != sha256(content)
            ),
        }
        return Difference(sorted(missing), sorted(set(self._wrong(run, wanted))))

    def _to_set(self, run: StoredRun, wanted: Run, parent_id: str | None) -> list[str]:
        """Return what is not as wanted and can be set, by what the store has said already."""
        tags, info = run.data.tags, run.info
        names = [
            name for name, value in self._tags(wanted, parent_id).items() if tags.get(name) != value
        ]
        names += [name for name in SOMETIMES & tags.keys() if name not in wanted.tags]
        if tags.get(NOTE) != _note(tags.get(NOTE), wanted.note):
            names.append("description")
        if info.run_name != wanted.name:
            names.append("name")
        if info.status != wanted.status or wanted.end not in (None, info.end_time):
            names.append("status")
        names += [name for name in wanted.params if name not in run.data.params]
        stored = _inputs(run)
        names += [part.name for part in wanted.data if (part.name, part.digest) not in stored]
        if not self._has_its_model(run, wanted):
            names.append("model")
        return names

    def _has_its_model(self, run: StoredRun, wanted: Run) -> bool:
        models = self._models.get(run.info.run_id, [])
        if wanted.model is None or not models:
            return wanted.model is None and not models
        return len(models) == 1 and is_right(models[0], wanted.model, _scores(wanted))

    def _is_right(self, run: StoredRun, wanted: Run, parent_id: str | None) -> bool:
        """Tell whether a run is as wanted, by what the store has said already."""
        latest, stored = wanted.latest(), _ours(run.data.metrics)
        return (
            not self._to_set(run, wanted, parent_id)
            and not _unchangeable(run, wanted)
            and latest.keys() == stored.keys()
            and all(_same(value, latest[name]) for name, value in stored.items())
        )

    def _wrong(self, run: StoredRun, wanted: Run) -> list[str]:
        """Return what is not as wanted and cannot be taken back."""
        points = _by_place(wanted.points)
        return _unchangeable(run, wanted) + [
            key
            for (key, step), value in self._stored_points(run).items()
            if not _same(value, points.get((key, step)))
        ]

    def _stored_points(self, run: StoredRun) -> dict[tuple[str, int], float]:
        """Return every value of our metrics; NaN where two values have one place."""
        run_id = run.info.run_id
        if run_id not in self._points:
            points: dict[tuple[str, int], float] = {}
            for name in _ours(run.data.metrics):
                for metric in self._client.get_metric_history(run_id, name):
                    place = metric.key, metric.step
                    points[place] = math.nan if place in points else metric.value
            self._points[run_id] = points
        return self._points[run_id]

    def _stored_artifacts(self, run_id: str) -> dict[str, str]:
        """Return the SHA-256 of every artifact of a run."""
        with tempfile.TemporaryDirectory() as folder:
            if not self._client.list_artifacts(run_id):
                return {}
            path = Path(self._client.download_artifacts(run_id, "", folder))
            return {
                file.relative_to(path).as_posix(): sha256(file.read_bytes())
                for file in path.rglob("*")
                if file.is_file()
            }

    def _tags(self, wanted: Run, parent_id: str | None) -> dict[str, str]:
        tags = {
            KEY: self._key(wanted),
            RECORD_FORMAT: str(FORMAT),
            MIRRORED: wanted.digest(),
            **wanted.tags,
        }
        return tags if parent_id is None else {**tags, PARENT: parent_id}

    # --- writing -------------------------------------------------------------------------------

    def bring_up_to_date(self, plan: Plan) -> None:
        """Write what is missing, after `ask`.

        Called again without `ask`, only what the plan has otherwise than before is looked at.
        """
        delete_models(self._client, self._orphans)
        self._orphans = []
        for study, parents in plan.items():
            if study not in self._experiments:
                self._experiments[study] = self._client.create_experiment(
                    study, self._store.artifacts, EXPERIMENT_TAGS
                )
                self._runs[study] = {}
            for parent in parents:
                self._parent(study, parent)
        for study, runs in self._runs.items():
            keys = {
                self._key(run)
                for parent in plan.get(study, [])
                for run in (parent.run, *parent.children)
            }
            for key in runs.keys() - keys:
                self._delete(runs.pop(key))

    def _parent(self, study: str, parent: Parent) -> None:
        stale: list[StoredRun] = []
        self._run(study, parent.run, None, stale)
        parent_id = self._runs[study][self._key(parent.run)][0].info.run_id
        for child in parent.children:
            self._run(study, child, parent_id, stale)
        # Last, so that no child is ever without a parent.
        self._delete(stale)

    def _run(self, study: str, wanted: Run, parent_id: str | None, stale: list[StoredRun]) -> None:
        """Make one run right; adds those that it replaces to `stale`."""
        key, digest = self._key(wanted), f"{wanted.digest()} {parent_id}"
        if self._right.get(f"{study}/{key}") == digest:
            return
        # The one with most of a user's own first: of equals, it is the one that stays.
        stored = sorted(
            self._runs[study].get(key, []),
            key=lambda run: len(str(_users(run.data.tags, wanted))),
            reverse=True,
        )
        usable = [] if self._anew else stored
        run = next((run for run in usable if self._is_right(run, wanted, parent_id)), None)
        if run is None:
            fitting = (run for run in usable if not self._wrong(run, wanted))
            run = self._completed(next(fitting, None), wanted, parent_id)
        if run is None:
            run = self._create(self._experiments[study], wanted, parent_id, stored)
            self._complete(run, wanted, parent_id)
            run = self._client.get_run(run.info.run_id)
        stale += [other for other in stored if other.info.run_id != run.info.run_id]
        self._runs[study][key] = [run]
        self._right[f"{study}/{key}"] = digest
        self._on_run()

    def _completed(
        self, run: StoredRun | None, wanted: Run, parent_id: str | None
    ) -> StoredRun | None:
        """Return a run with what was missing, if that has made it right."""
        if run is None:
            return None
        self._complete(run, wanted, parent_id)
        run = self._client.get_run(run.info.run_id)
        return run if self._is_right(run, wanted, parent_id) else None

    def _create(
        self, experiment: str, wanted: Run, parent_id: str | None, earlier: Sequence[StoredRun]
    ) -> StoredRun:
        """Make a run, with what a user has written to those that it replaces."""
        # One call, so that there is no moment at which a run exists without its key.
        tags = {KEY: self._key(wanted), RECORD_FORMAT: str(FORMAT)}
        if parent_id is not None:
            tags[PARENT] = parent_id
        for run in reversed(earlier):
            tags |= _users(run.data.tags, wanted)
        run = self._client.create_run(
            experiment, start_time=wanted.start, tags=tags, run_name=wanted.name
        )
        self._points[run.info.run_id] = {}
        return run

    def _complete(self, run: StoredRun, wanted: Run, parent_id: str | None) -> None:
        run_id = run.info.run_id
        self._write_points(run, wanted.points)
        self._write_params_and_tags(run, wanted, parent_id)
        missing = [part for part in wanted.data if (part.name, part.digest) not in _inputs(run)]
        if missing:
            self._client.log_inputs(run_id, [dataset_input(part) for part in missing])
        for name, content in wanted.artifacts.items():
            self._write_artifact(run_id, name, content)
        if wanted.model is not None:
            model = bring_model_up_to_date(
                self._client,
                run.info.experiment_id,
                run_id,
                wanted.model,
                _scores(wanted),
                self._models.get(run_id, []),
            )
            self._models[run_id] = [model]
        if wanted.status in FINAL:
            self._client.set_terminated(run_id, wanted.status, wanted.end)
        elif run.info.status != wanted.status:
            self._client.update_run(run_id, status=wanted.status)
        self._client.set_tag(run_id, MIRRORED, wanted.digest())

    def _write_points(self, run: StoredRun, points: list[Point]) -> None:
        from mlflow.entities import Metric

        stored = self._stored_points(run)
        missing = [point for point in points if (point.key, point.step) not in stored]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            self._client.log_batch(
                run.info.run_id,
                metrics=[Metric(p.key, p.value, p.time or UNKNOWN, p.step) for p in batch],
            )
            stored.update({(p.key, p.step): p.value for p in batch})

    def _write_params_and_tags(self, run: StoredRun, wanted: Run, parent_id: str | None) -> None:
        from mlflow.entities import Param, RunTag

        stored = run.data.tags
        tags = self._tags(wanted, parent_id)
        del tags[MIRRORED]
        tags |= {NOTE: _note(stored.get(NOTE), wanted.note), "mlflow.runName": wanted.name}
        self._client.log_batch(
            run.info.run_id,
            params=[
                Param(name, value)
                for name, value in wanted.params.items()
                if name not in run.data.params
            ],
            tags=[RunTag(name, value) for name, value in tags.items() if stored.get(name) != value],
        )
        for name in SOMETIMES & (stored.keys() - tags.keys()):
            self._client.delete_tag(run.info.run_id, name)

    def _write_artifact(self, run_id: str, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._client.log_artifact(run_id, str(path))

    def _delete(self, runs: list[StoredRun]) -> None:
        for run in runs:
            delete_models(self._client, self._models.pop(run.info.run_id, []))
            self._client.delete_run(run.info.run_id)
            self._on_run()


def _ids(runs: Mapping[str, Sequence[StoredRun]]) -> set[str]:
    return {run.info.run_id for group in runs.values() for run in group}


def _by_place(points: list[Point]) -> dict[tuple[str, int], float]:
    return {(point.key, point.step): point.value for point in points}


def _same(stored: float, wanted: float | None) -> bool:
    return wanted is not None and (stored == wanted or (math.isnan(stored) and math.isnan(wanted)))


def _inputs(run: StoredRun) -> list[tuple[str, str]]:
    """Return name and digest of a run's data sets."""
    inputs: Any = run.inputs
    return [(i.dataset.name, i.dataset.digest) for i in (inputs.dataset_inputs if inputs else [])]


def _scores(wanted: Run) -> list[Score]:
    """Return a model's metrics: what its run has after the last epoch."""
    data = {part.part: part for part in wanted.data}
    epochs = 0 if wanted.model is None else wanted.model.epochs
    return [
        Score(point.key, point.value, point.step, point.time or UNKNOWN, data[part])
        for point in wanted.points
        if (part := point.key.partition("/")[0]) in data
        and point.key.endswith(("/loss", "/accuracy"))
        and point.step == epochs
    ]


def _ours(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name in OURS}


def _unchangeable(run: StoredRun, wanted: Run) -> list[str]:
    """Return what a run was given once for all, and has otherwise than wanted."""
    params = run.data.params
    names = [name for name, value in wanted.params.items() if params.get(name, value) != value]
    if wanted.start not in (None, run.info.start_time):
        names.append("start")
    digests = {part.name: part.digest for part in wanted.data}
    return names + [name for name, digest in _inputs(run) if digests.get(name) != digest]


def _users(tags: Mapping[str, str], wanted: Run) -> dict[str, str]:
    """Return a user's own tags among those of a run, and what they wrote to its description."""
    own = {
        name: value
        for name, value in tags.items()
        if name not in wanted.tags.keys() | SOMETIMES
        and not name.startswith(("mlflow.", "pipeline.", "sha256 "))
    }
    return {**own, NOTE: _note(tags.get(NOTE), "")}


def _note(stored: str | None, ours: str) -> str:
    """Return a description with our part anew, and with what a user has written below it.

    Our part is cut where both together are longer than MLflow's longest.
    """
    above, mark, below = (stored or "").partition(MARK)
    users = below if mark else f"\n\n{above}" if above else ""
    room = max(0, LONGEST_TAG - len(f"\n\n{MARK}{users}"))
    return f"{ours[:room]}\n\n{MARK}{users}"[:LONGEST_TAG]

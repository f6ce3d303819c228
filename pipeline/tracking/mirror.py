"""Bringing a store to what the plan says, in steps that may be cut off anywhere.

The store itself is asked what it holds: its lists of runs and models have the latest metrics,
parameters, tags and data sets. A run that is right is not touched. One that is not is written:
everything again, since MLflow takes nothing twice. If it is still not right, since MLflow forgets
no value either, another run takes its place. A digest of the whole run is written last.
Runs, tags, metrics and words that are a user's own stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import NotMirrored
from pipeline.base.files import sha256
from pipeline.base.masking import one_line
from pipeline.records.identity import FORMAT
from pipeline.tracking.datasets import dataset_input
from pipeline.tracking.models import TAG, mark, write_model
from pipeline.tracking.plan import FINAL, LONGEST_TAG, METRICS, Run
from pipeline.tracking.store import RECORD_FORMAT, Store

if TYPE_CHECKING:
    from mlflow.entities import Experiment, LoggedModel
    from mlflow.entities import Run as StoredRun

# Tags by which runs are known: their key, and the digest of what was written to them.
KEY, MIRRORED = "pipeline.key", "pipeline.mirrored"
# Below this line of a run's description stands what a user has written.
NOTE, MARK = "mlflow.note.content", "<!-- Written from the records. Below here is yours. -->"
BATCH = 1000  # of metrics: MLflow's limit
# A saved view, without which the table of runs shows no accuracy, and the charts begin with single
# points. MLflow does not document the format; it is what "Save as new view" writes (3.17). One that
# it does not understand costs the view and nothing else.
VIEW = "accuracies"
STATE = json.dumps(json.loads(Path(__file__).with_name("view.json").read_text()))
EXPERIMENT_TAGS = {
    RECORD_FORMAT: str(FORMAT),
    # Has MLflow open an experiment among those of model training, not of language models.
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": json.dumps(
        {"name": VIEW, "createdAt": 0, "updatedAt": 0, "state": STATE}
    ),
}


def bring_up_to_date(
    store: Store,
    plan: Sequence[Run],
    *,
    anew: bool = False,
    shown: Callable[[Sequence[Run]], Iterable[Run]] = iter,
) -> None:
    """Make the store hold the plan.

    Args:
        store: which.
        plan: parents before their children.
        anew: whether to replace every run, right or not.
        shown: shows how far it is, as it hands on the plan.

    Raises:
        NotMirrored: an experiment of a study's name is another's.
        Exception: whatever MLflow raises.
    """
    held = Held(store, {run.study for run in plan})
    for wanted in shown(plan):
        held.put(wanted, anew=anew)
    held.delete_others(plan)


class Held:
    """What the store holds of this checkout's.

    Args:
        store: which.
        studies: whose experiments exist afterwards.

    Raises:
        NotMirrored: an experiment of a study's name is another's.
    """

    def __init__(self, store: Store, studies: Iterable[str]) -> None:
        import mlflow
        from mlflow.entities import ViewType

        self._store, self._client = store, store.client
        experiments = {e.name: e for e in mlflow.search_experiments(view_type=ViewType.ALL)}
        self._experiments = {
            study: self._experiment(study, experiments.get(study)) for study in studies
        }
        # Runs of an earlier format are left alone.
        self._all = [
            run
            for run in mlflow.search_runs(
                search_all_experiments=True,
                filter_string=f"tags.`{RECORD_FORMAT}` = '{FORMAT}'",
                output_format="list",
            )
            if run.data.tags.get(KEY, "").startswith(f"{store.owner}/")
        ]
        self._runs: dict[tuple[str, str], list[StoredRun]] = {}
        for run in self._all:
            place = run.info.experiment_id, run.data.tags[KEY]
            self._runs.setdefault(place, []).append(run)
        ids = {experiment_id for experiment_id, _ in self._runs} | {*self._experiments.values()}
        self._models: dict[str, list[LoggedModel]] = {}
        for model in mlflow.search_logged_models(sorted(ids), output_format="list") if ids else ():
            if model.tags.get(TAG, "").startswith(f"{store.owner} "):
                self._models.setdefault(model.source_run_id, []).append(model)

    def _experiment(self, study: str, experiment: Experiment | None) -> str:
        artifacts = self._store.artifacts
        if experiment is None:
            return self._client.create_experiment(study, artifacts, EXPERIMENT_TAGS)
        if artifacts not in (None, experiment.artifact_location):
            raise NotMirrored(
                f"{one_line(study)} is an experiment in MLflow that was not made here and keeps "
                "its artifacts elsewhere; rename that or the study"
            )
        if experiment.lifecycle_stage != "active":
            self._client.restore_experiment(experiment.experiment_id)
        for name, value in EXPERIMENT_TAGS.items():
            if experiment.tags.get(name) != value:
                self._client.set_experiment_tag(experiment.experiment_id, name, value)
        return experiment.experiment_id

    def _place(self, study: str, key: str) -> tuple[str, str]:
        return self._experiments[study], f"{self._store.owner}/{key}"

    # --- comparing -----------------------------------------------------------------------------

    def differences(self, wanted: Run) -> list[str]:
        """Return the names of all that the store has otherwise: every value and file looked at."""
        stored = self._runs.get(self._place(wanted.study, wanted.key), [])
        if len(stored) != 1:
            return [f"{len(stored)} runs"]
        (run,) = stored
        points: dict[str, list[float]] = {}
        for key in run.data.metrics.keys() & METRICS:
            for metric in self._client.get_metric_history(run.info.run_id, key):
                points.setdefault(f"{key} {metric.step}", []).append(metric.value)
        weights = {} if wanted.model is None else {"model.npz": wanted.model.digest}
        models = self._models.get(run.info.run_id, [])
        files = {
            name: digest
            for uri in (run.info.artifact_uri, *(model.artifact_location for model in models))
            for name, digest in _files(uri).items()
        }
        return [
            *self._differences(run, wanted, self._tags(wanted, stored)),
            *_unlike({f"{p.key} {p.step}": [p.value] for p in wanted.points}, points, both=True),
            *_unlike({**wanted.files, **weights}, files),
        ]

    def others(self, plan: Iterable[Run]) -> list[StoredRun]:
        """Return the runs that are of no record."""
        places = {self._place(run.study, run.key) for run in plan}
        return [run for place, runs in self._runs.items() if place not in places for run in runs]

    def _differences(self, run: StoredRun, wanted: Run, tags: Mapping[str, str]) -> list[str]:
        """Return the names of all that a run has otherwise, by what the store's lists say."""
        info, data = run.info, run.data
        own = {name: value for name, value in data.metrics.items() if name in METRICS}
        times = {"start": wanted.start, "end": wanted.end}
        inputs: Any = run.inputs
        read = {(i.dataset.name, i.dataset.digest) for i in inputs.dataset_inputs}
        return [
            *([] if info.status == wanted.status else ["status"]),
            *_unlike(
                {name: time for name, time in times.items() if time is not None},
                {"start": info.start_time, "end": info.end_time},
            ),
            *_unlike(tags, data.tags),
            *_unlike(wanted.params, data.params),
            *_unlike(wanted.latest(), own, both=True),
            *(name for name, _ in read ^ {(p.name, p.digest) for p in wanted.data.values()}),
            *([] if self._has_its_model(run, wanted) else ["model"]),
        ]

    def _has_its_model(self, run: StoredRun, wanted: Run) -> bool:
        models = self._models.get(run.info.run_id, [])
        if wanted.model is None or len(models) != 1:
            return wanted.model is None and not models
        (model,) = models
        scores = {point.key: point.value for point in wanted.scores()}
        linked = {m.key: m.value for m in model.metrics or () if m.key in METRICS}
        return self._is_usable(model, wanted) and linked == scores

    def _is_usable(self, model: LoggedModel, wanted: Run) -> bool:
        return (
            wanted.model is not None
            and model.status == "READY"
            and model.tags[TAG] == mark(wanted.model, self._store.owner)
        )

    def _tags(self, wanted: Run, stored: Sequence[StoredRun]) -> dict[str, str]:
        """Return all tags of a run, with what a user has written to those that it may replace."""
        tags = {name: value for run in stored for name, value in _users(run, wanted).items()}
        tags |= {
            KEY: f"{self._store.owner}/{wanted.key}",
            RECORD_FORMAT: str(FORMAT),
            MIRRORED: wanted.digest(),
            NOTE: _note(wanted.note, [run.data.tags.get(NOTE, "") for run in stored]),
            "mlflow.runName": wanted.name,
            **wanted.tags,
        }
        for parent in self._runs.get(self._place(wanted.study, wanted.parent or ""), []):
            tags["mlflow.parentRunId"] = parent.info.run_id
        return tags

    # --- writing -------------------------------------------------------------------------------

    def put(self, wanted: Run, *, anew: bool) -> None:
        """See to it that the store holds a run, once what else has its key is deleted."""
        place = self._place(wanted.study, wanted.key)
        stored = self._runs.get(place, [])
        tags = self._tags(wanted, stored)

        def is_right(run: StoredRun) -> bool:
            return not self._differences(run, wanted, tags)

        def written(run: StoredRun) -> StoredRun:
            return self._write(run, wanted, tags)

        # MLflow refuses another value of a parameter.
        usable = [] if anew else [run for run in stored if not _conflicts(run, wanted)]
        run = next(filter(is_right, usable), None) or next(
            filter(is_right, map(written, usable)), None
        )
        if run is None:
            # With its tags, so that there is no moment at which a run exists without its key.
            first = {name: value for name, value in tags.items() if name != MIRRORED}
            run = written(self._client.create_run(place[0], wanted.start, first))
        self._runs[place] = [run]

    def _write(self, run: StoredRun, wanted: Run, tags: Mapping[str, str]) -> StoredRun:
        """Write all of a run, and return it as it is then."""
        from mlflow.entities import Metric, Param, RunTag

        run_id = run.info.run_id
        params = [Param(name, value) for name, value in wanted.params.items()]
        others = [RunTag(name, value) for name, value in tags.items() if name != MIRRORED]
        self._client.log_batch(run_id, params=params, tags=others)
        self._client.log_inputs(run_id, [dataset_input(part) for part in wanted.data.values()])
        for name in wanted.files:
            self._client.log_artifact(run_id, str(wanted.folder / name))
        model_id = self._model(run, wanted)
        scores = set() if model_id is None else set(wanted.scores())
        metrics = []
        for point in wanted.points:
            links = {}
            if point in scores:
                part = wanted.data[point.key.partition("/")[0]]
                links = {
                    "model_id": model_id,
                    "dataset_name": part.name,
                    "dataset_digest": part.digest,
                }
            metrics.append(Metric(point.key, point.value, point.time, point.step, **links))
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + BATCH])
        if model_id is not None:
            self._models[run_id] = [self._client.get_logged_model(model_id)]
        if wanted.status in FINAL:
            self._client.set_terminated(run_id, wanted.status, wanted.end)
        else:
            self._client.update_run(run_id, wanted.status)
        self._client.set_tag(run_id, MIRRORED, tags[MIRRORED])
        return self._client.get_run(run_id)

    def _model(self, run: StoredRun, wanted: Run) -> str | None:
        """Return the id of a run's model, which is written if there is none; others are deleted."""
        models = self._models.pop(run.info.run_id, [])
        usable = [model for model in models if self._is_usable(model, wanted)][:1]
        for model in models:
            if model not in usable:
                self._client.delete_logged_model(model.model_id)
        if wanted.model is not None and not usable:
            where = self._client, run.info.experiment_id, run.info.run_id
            usable = [write_model(*where, wanted, self._store.owner)]
        return usable[0].model_id if usable else None

    def delete_others(self, plan: Iterable[Run]) -> None:
        """Delete what is none of the plan's runs and models; after all of them have been put."""
        kept = {self._runs[self._place(run.study, run.key)][0].info.run_id for run in plan}
        for run_id in self._models.keys() - kept:
            for model in self._models[run_id]:
                self._client.delete_logged_model(model.model_id)
        for run in self._all:
            if run.info.run_id not in kept:
                self._client.delete_run(run.info.run_id)


def _unlike(
    wanted: Mapping[str, object], stored: Mapping[str, object], *, both: bool = False
) -> list[str]:
    """Return the keys of `wanted` that have another value in `stored`, or of `both`."""
    keys = sorted(wanted.keys() | stored.keys() if both else wanted.keys())
    return [key for key in keys if wanted.get(key) != stored.get(key)]


def _conflicts(run: StoredRun, wanted: Run) -> bool:
    params = run.data.params
    return any(params.get(name, value) != value for name, value in wanted.params.items())


def _files(uri: str) -> dict[str, str]:
    """Return the SHA-256 of every artifact at an address by its file's name."""
    from mlflow.artifacts import download_artifacts, list_artifacts

    with TemporaryDirectory() as folder:
        if not list_artifacts(artifact_uri=uri):
            return {}
        path = Path(download_artifacts(artifact_uri=uri, dst_path=folder))
        return {f.name: sha256(f.read_bytes()) for f in path.rglob("*") if f.is_file()}


def _users(run: StoredRun, wanted: Run) -> dict[str, str]:
    """Return a user's own tags among those of a run."""
    return {
        name: value
        for name, value in run.data.tags.items()
        if name not in wanted.tags and not name.startswith(("mlflow.", "pipeline."))
    }


def _note(ours: str, stored: Iterable[str]) -> str:
    """Return a description with our part anew, and with what a user has written to earlier ones.

    Our part is cut where both together are longer than MLflow's longest.
    """
    users = ""
    for note in stored:
        above, mark, below = note.partition(MARK)
        users = users or (below if mark else f"\n\n{above}" if above else "")
    room = max(0, LONGEST_TAG - len(f"\n\n{MARK}{users}"))
    return f"{ours[:room]}\n\n{MARK}{users}"[:LONGEST_TAG]

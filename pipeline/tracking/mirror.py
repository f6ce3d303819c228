"""Making a store hold what the plan says, in steps that may be cut off anywhere.

The store itself is asked what it holds: its lists of runs and models have the latest metrics,
parameters, tags and data sets. A run that is right is not touched. One that is not is written,
all of it, since MLflow takes nothing twice. If it is still not right, since MLflow forgets no value
either, another run takes its place. A digest of the whole run is written last.
Runs, tags, metrics and words that are a user's own stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.base.errors import NotMirrored
from pipeline.base.files import sha256
from pipeline.base.masking import one_line
from pipeline.records.identity import FORMAT
from pipeline.tracking.datasets import dataset_input
from pipeline.tracking.models import TAG, mark, write_model
from pipeline.tracking.plan import FINAL, LONGEST_TAG, OURS, Run
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
STATE = Path(__file__).with_name("view.json").read_text()
EXPERIMENT_TAGS = {
    RECORD_FORMAT: str(FORMAT),
    # Has MLflow open an experiment among those of model training, not of language models.
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": json.dumps(
        {"name": VIEW, "createdAt": 0, "updatedAt": 0, "state": STATE}
    ),
}


class Mirror:
    """A store, and what it says that it holds of this checkout's.

    Args:
        store: which.
        plan: what it has to hold; the experiments for it exist afterwards.

    Raises:
        NotMirrored: an experiment of a study's name is another's.
    """

    def __init__(self, store: Store, plan: Sequence[Run]) -> None:
        import mlflow
        from mlflow.entities import ViewType

        self._store, self._client, self._plan = store, store.client, plan
        experiments = {e.name: e for e in mlflow.search_experiments(view_type=ViewType.ALL)}
        self._experiments = {
            study: self._experiment(study, experiments.get(study))
            for study in dict.fromkeys(run.study for run in plan)
        }
        # Runs of an earlier format are left alone.
        ours = f"tags.`{RECORD_FORMAT}` = '{FORMAT}' and tags.`{KEY}` LIKE '{store.owner}/%'"
        self._all: list[StoredRun] = mlflow.search_runs(
            filter_string=ours, search_all_experiments=True, output_format="list"
        )
        self._runs: dict[tuple[str, str], list[StoredRun]] = {}
        for run in self._all:
            place = run.info.experiment_id, run.data.tags[KEY]
            self._runs.setdefault(place, []).append(run)
        ids = {*self._experiments.values(), *(experiment for experiment, _ in self._runs)}
        self._models: dict[str, list[LoggedModel]] = {}
        for model in mlflow.search_logged_models([*ids], output_format="list") if ids else ():
            if model.tags.get(TAG, "").startswith(f"{store.owner} "):
                self._models.setdefault(model.source_run_id, []).append(model)

    def _experiment(self, study: str, experiment: Experiment | None) -> str:
        """Return the id of a study's experiment, which exists afterwards."""
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
        for name in _unlike(EXPERIMENT_TAGS, experiment.tags):
            self._client.set_experiment_tag(experiment.experiment_id, name, EXPERIMENT_TAGS[name])
        return experiment.experiment_id

    def _place(self, study: str, key: str) -> tuple[str, str]:
        return self._experiments[study], f"{self._store.owner}/{key}"

    # --- comparing -----------------------------------------------------------------------------

    def differences(self, wanted: Run) -> list[str]:
        """Return the names of all that the store has otherwise: every value and file looked at."""
        stored = self._runs.get(self._place(wanted.study, wanted.key), [])
        if not stored:
            return ["the run"]
        run, run_id = stored[0], stored[0].info.run_id
        curves = {
            key: sorted((m.step, m.value) for m in self._client.get_metric_history(run_id, key))
            for key in run.data.metrics.keys() & OURS
        }
        wanted_curves: dict[str, list[tuple[int, float]]] = {}
        for point in wanted.points:
            wanted_curves.setdefault(point.key, []).append((point.step, point.value))
        models = self._models.get(run_id, [])
        places = [run.info.artifact_uri, *(model.artifact_location for model in models)]
        files = {name: digest for place in places for name, digest in _files(place).items()}
        weights = {} if wanted.model is None else {"model.npz": wanted.model.digest}
        names = [
            *self._differences(run, wanted, self._tags(wanted, stored)),
            *_unlike(wanted_curves, curves, both=True),
            *_unlike({**wanted.files, **weights}, files),
        ]
        return list(dict.fromkeys(names))

    def others(self) -> list[StoredRun]:
        """Return the runs that are of no record, or are there a second time."""
        kept = self._kept()
        return [run for run in self._all if run.info.run_id not in kept]

    def _kept(self) -> set[str]:
        places = (self._place(run.study, run.key) for run in self._plan)
        return {run.info.run_id for place in places for run in self._runs.get(place, [])[:1]}

    def _differences(self, run: StoredRun, wanted: Run, tags: Mapping[str, str]) -> list[str]:
        """Return the names of what a run has otherwise, by what the store's lists say."""
        info, data, inputs = run.info, run.data, run.inputs
        told = {"status": wanted.status, "start": wanted.start, "end": wanted.end}
        stored = {"status": info.status, "start": info.start_time, "end": info.end_time}
        ours = {name: value for name, value in data.metrics.items() if name in OURS}
        read = {(i.dataset.name, i.dataset.digest) for i in inputs.dataset_inputs}
        scores = {point.key: point.value for point in wanted.scores()}
        models = [
            self._is_usable(model, wanted)
            and scores == {m.key: m.value for m in model.metrics or () if m.key in OURS}
            for model in self._models.get(info.run_id, [])
        ]
        return [
            *_unlike({name: value for name, value in told.items() if value is not None}, stored),
            *_unlike(tags, data.tags),
            *_unlike(wanted.params, data.params),
            *_unlike(wanted.latest(), ours, both=True),
            *(name for name, _ in read ^ {(p.name, p.digest) for p in wanted.data.values()}),
            *([] if models == [True] * (wanted.model is not None) else ["model"]),
        ]

    def _is_usable(self, model: LoggedModel, wanted: Run) -> bool:
        """Tell whether a model is complete, and what a run should have."""
        right = mark(wanted.model, self._store.owner) if wanted.model else None
        return model.status == "READY" and model.tags[TAG] == right

    def _tags(self, wanted: Run, stored: Sequence[StoredRun]) -> dict[str, str]:
        """Return all tags of a run, with what a user has given to those that it may replace."""
        users = {
            name: value
            for run in stored
            for name, value in run.data.tags.items()
            if not name.startswith(("mlflow.", "pipeline."))
        }
        tags = {
            **users,
            **wanted.tags,
            KEY: f"{self._store.owner}/{wanted.key}",
            RECORD_FORMAT: str(FORMAT),
            MIRRORED: wanted.digest(),
            NOTE: _note(wanted.note, [run.data.tags.get(NOTE, "") for run in stored]),
            "mlflow.runName": wanted.name,
        }
        for parent in self._runs.get(self._place(wanted.study, wanted.parent or ""), [])[:1]:
            tags["mlflow.parentRunId"] = parent.info.run_id
        return tags

    # --- writing -------------------------------------------------------------------------------

    def put(self, wanted: Run, *, anew: bool = False) -> None:
        """See to it that the store holds a run, whose parent it holds.

        Args:
            wanted: a run of the plan.
            anew: whether to replace what the store holds, right or not.
        """
        place = self._place(wanted.study, wanted.key)
        stored = self._runs.get(place, [])
        tags = self._tags(wanted, stored)

        def is_right(run: StoredRun) -> bool:
            return not self._differences(run, wanted, tags)

        def written(run: StoredRun) -> StoredRun:
            return self._write(run, wanted, tags)

        # MLflow refuses another value of a parameter.
        fitting = [
            run
            for run in stored
            if not run.data.params.keys() & _unlike(wanted.params, run.data.params)
        ]
        usable = [] if anew else fitting
        run = next(filter(is_right, usable), None)
        run = run or next(filter(is_right, map(written, usable)), None)
        if run is None:
            # With its tags, so that there is no moment at which a run exists without its key.
            first = {name: value for name, value in tags.items() if name != MIRRORED}
            run = written(self._client.create_run(place[0], wanted.start, first))
        self._runs[place] = [run]

    def _write(self, run: StoredRun, wanted: Run, tags: Mapping[str, str]) -> StoredRun:
        """Write all of a run, and return it as it is then."""
        from mlflow.entities import Metric, Param, RunTag

        run_id, client, scores = run.info.run_id, self._client, set(wanted.scores())
        client.log_batch(
            run_id,
            params=[Param(name, value) for name, value in wanted.params.items()],
            tags=[RunTag(name, value) for name, value in tags.items() if name != MIRRORED],
        )
        client.log_inputs(run_id, [dataset_input(part) for part in wanted.data.values()])
        for name in wanted.files:
            client.log_artifact(run_id, str(wanted.folder / name))
        model = self._model(run, wanted)
        metrics = []
        for point in wanted.points:
            links = {}
            if model and point in scores:
                part = wanted.data[point.key.partition("/")[0]]
                links = {"dataset_name": part.name, "dataset_digest": part.digest}
                links["model_id"] = model.model_id
            metrics.append(Metric(point.key, point.value, point.time, point.step, **links))
        for start in range(0, len(metrics), BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + BATCH])
        self._models[run_id] = [client.get_logged_model(model.model_id)] if model else []
        if wanted.status in FINAL:
            client.set_terminated(run_id, wanted.status, wanted.end)
        else:
            client.update_run(run_id, wanted.status)
        client.set_tag(run_id, MIRRORED, tags[MIRRORED])
        return client.get_run(run_id)

    def _model(self, run: StoredRun, wanted: Run) -> LoggedModel | None:
        """Return a run's only model, which is written if there is none."""
        models = self._models.get(run.info.run_id, [])
        usable = [model for model in models if self._is_usable(model, wanted)][:1]
        for model in models:
            if model not in usable:
                self._client.delete_logged_model(model.model_id)
        if wanted.model is not None and not usable:
            return write_model(self._client, run, wanted, self._store.owner)
        return next(iter(usable), None)

    def delete_others(self) -> None:
        """Delete what is none of the plan's, after all of that has been put."""
        kept = self._kept()
        # Also those of runs that somebody deleted in MLflow.
        for run_id in self._models.keys() - kept:
            for model in self._models[run_id]:
                self._client.delete_logged_model(model.model_id)
        for run in self.others():
            self._client.delete_run(run.info.run_id)


def _unlike(
    wanted: Mapping[str, object], stored: Mapping[str, object], *, both: bool = False
) -> list[str]:
    """Return the keys of `wanted`, or of both, that have another value in `stored`."""
    keys = wanted.keys() | stored.keys() if both else wanted.keys()
    return sorted(key for key in keys if wanted.get(key) != stored.get(key))


def _files(uri: str) -> dict[str, str]:
    """Return the SHA-256 of every artifact at an address, by its file's name."""
    from mlflow.artifacts import download_artifacts, list_artifacts

    with TemporaryDirectory() as folder:
        if not list_artifacts(artifact_uri=uri):
            return {}
        path = Path(download_artifacts(artifact_uri=uri, dst_path=folder))
        return {file.name: sha256(file.read_bytes()) for file in path.rglob("*") if file.is_file()}


def _note(ours: str, stored: Iterable[str]) -> str:
    """Return a description: our part, and below it what a user has written to earlier ones.

    Our part is cut where both together are longer than MLflow's longest.
    """
    users = ""
    for note in stored:
        above, mark, below = note.partition(MARK)
        users = users or (below if mark else f"\n\n{above}" if above else "")
    room = max(0, LONGEST_TAG - len(f"\n\n{MARK}{users}"))
    return f"{ours[:room]}\n\n{MARK}{users}"[:LONGEST_TAG]

"""Bring an MLflow store up to date with the plan; it is safe to interrupt at any step.

Each run is compared with the metrics, parameters, tags and data sets that the store lists. Correct
runs are not touched; what another one lacks is added. If it is still wrong, because MLflow never
deletes a value, a new run replaces it. Points are written in ascending steps, and the run's digest
last, so it is known how far an interrupted pass came. Runs, tags, metrics and notes of the user are
kept.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.base.errors import Failed
from pipeline.base.files import sha256
from pipeline.base.masking import one_line
from pipeline.records.identity import FORMAT
from pipeline.records.record import Finished
from pipeline.tracking.datasets import dataset_input
from pipeline.tracking.models import TAG, card, mark, write_model
from pipeline.tracking.plan import FINAL, LONGEST_TAG, OURS, Point, Run
from pipeline.tracking.store import RECORD_FORMAT, Store

if TYPE_CHECKING:
    from mlflow.entities import Experiment, LoggedModel
    from mlflow.entities import Run as StoredRun

# Tags of a run: its key, the digest of what was written to it, and the names of the tags that the
# mirror wrote. All others but MLflow's are the user's.
KEY, MIRRORED, WRITTEN = "pipeline.key", "pipeline.mirrored", "pipeline.written"
# The user's own notes stand below this line of a run's description.
NOTE, MARK = "mlflow.note.content", "<!-- Written from the records. Below here is yours. -->"
# A saved view, without which the table of runs shows no accuracy, and the charts begin with single
# points. MLflow does not document the format; it is what "Save as new view" writes (3.17). If
# another version cannot read it, only the view is lost.
VIEW = "accuracies"
STATE = Path(__file__).with_name("view.json").read_text()
EXPERIMENT_TAGS = {
    RECORD_FORMAT: str(FORMAT),
    # Makes MLflow list the experiment under model training, not under language models.
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": json.dumps(
        {"name": VIEW, "createdAt": 0, "updatedAt": 0, "state": STATE}
    ),
}


class Mirror:
    """A store, and the runs and models of this checkout that it lists.

    Args:
        store: the store.
        plan: the runs it has to hold; missing experiments are created.

    Raises:
        Failed: an experiment with a study's name was not made here.
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
        """Return the id of a study's experiment; create or restore it if needed."""
        artifacts = self._store.artifacts
        if experiment is None:
            return self._client.create_experiment(study, artifacts, EXPERIMENT_TAGS)
        if artifacts not in (None, experiment.artifact_location):
            raise Failed(
                f"MLflow already has an experiment {one_line(study)} that was not made here and "
                "keeps its artifacts elsewhere; rename it or the study"
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
        """Compare every value and file; return the names of those that differ in the store."""
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
        weights = {"model.npz": wanted.record.hashes["model.npz"]} if wanted.record else {}
        names = [
            *self._differences(run, wanted, self._tags(wanted, stored)),
            *_unlike(wanted_curves, curves, both=True),
            *_unlike({**wanted.files, **weights}, files),
        ]
        return list(dict.fromkeys(names))

    def others(self) -> list[StoredRun]:
        """Return the runs that belong to no record, and duplicates."""
        kept = self._kept()
        return [run for run in self._all if run.info.run_id not in kept]

    def _kept(self) -> set[str]:
        places = (self._place(run.study, run.key) for run in self._plan)
        return {run.info.run_id for place in places for run in self._runs.get(place, [])[:1]}

    def _differences(self, run: StoredRun, wanted: Run, tags: Mapping[str, str]) -> list[str]:
        """Return the names of what differs, by what the store lists without its files."""
        info, data, inputs = run.info, run.data, run.inputs
        target = {"status": wanted.status, "start": wanted.start, "end": wanted.end}
        stored = {"status": info.status, "start": info.start_time, "end": info.end_time}
        ours = {name: value for name, value in data.metrics.items() if name in OURS}
        read = {(i.dataset.name, i.dataset.digest) for i in inputs.dataset_inputs}
        scores = {point.key: point.value for point in wanted.scores()}
        record = wanted.record
        models = [
            record is not None
            and self._is_usable(model, record)
            and model.tags.get(NOTE) == card(record, info.run_id)
            and scores == {m.key: m.value for m in model.metrics or () if m.key in OURS}
            for model in self._models.get(info.run_id, [])
        ]
        return [
            *_unlike({name: value for name, value in target.items() if value is not None}, stored),
            *_unlike(tags, data.tags),
            *_unlike(wanted.params, data.params),
            *_unlike(wanted.latest(), ours, both=True),
            *(name for name, _ in read ^ {(p.name, p.digest) for p in wanted.data.values()}),
            *([] if models == [True] * (record is not None) else ["model"]),
        ]

    def _is_usable(self, model: LoggedModel, record: Finished) -> bool:
        """Tell whether a model is complete and that of the record, whatever its card says."""
        return model.status == "READY" and model.tags[TAG] == mark(record, self._store.owner)

    def _tags(self, wanted: Run, stored: Sequence[StoredRun]) -> dict[str, str]:
        """Return all tags of a run, including those that users gave to the stored runs."""
        users = {
            name: value
            for run in stored
            for name, value in run.data.tags.items()
            if not name.startswith(("mlflow.", "pipeline.")) and name not in _written(run)
        }
        tags = {
            **users,
            **wanted.tags,
            KEY: f"{self._store.owner}/{wanted.key}",
            RECORD_FORMAT: str(FORMAT),
            MIRRORED: wanted.digest(),
            WRITTEN: "\n".join(sorted(wanted.tags)),
            NOTE: _note(wanted.note, [run.data.tags.get(NOTE, "") for run in stored]),
            "mlflow.runName": wanted.name,
        }
        for parent in self._runs.get(self._place(wanted.study, wanted.parent or ""), [])[:1]:
            tags["mlflow.parentRunId"] = parent.info.run_id
        return tags

    # --- writing -------------------------------------------------------------------------------

    def put(self, wanted: Run, *, anew: bool = False) -> None:
        """Write a run if the store does not hold it as planned; its parent must be there.

        Args:
            wanted: a run of the plan.
            anew: whether to replace the stored run even if it is correct.
        """
        place = self._place(wanted.study, wanted.key)
        stored = self._runs.get(place, [])
        tags = self._tags(wanted, stored)

        def is_right(run: StoredRun) -> bool:
            return not self._differences(run, wanted, tags)

        usable = [] if anew else stored
        completed = (
            self._write(run, wanted, tags, points)
            for run in usable
            if (points := self._missing(run, wanted)) is not None
        )
        run = next(filter(is_right, itertools.chain(usable, completed)), None)
        if run is None:
            # Created with its tags, so that no run ever exists without its key.
            first = {name: value for name, value in tags.items() if name != MIRRORED}
            created = self._client.create_run(place[0], wanted.start, first)
            run = self._write(created, wanted, tags, wanted.points)
        self._runs[place] = [run]

    def _missing(self, run: StoredRun, wanted: Run) -> Sequence[Point] | None:
        """Return the points that a stored run lacks; None if it cannot be completed."""
        if run.data.params.keys() & _unlike(wanted.params, run.data.params):
            return None  # MLflow refuses to change the value of a parameter
        if not wanted.points:
            return ()
        # Every step begins with a point of this key, so it shows how far a run was written.
        key = wanted.points[0].key
        history = self._client.get_metric_history(run.info.run_id, key)
        stored = sorted((metric.step, metric.value) for metric in history)
        curve = [(point.step, point.value) for point in wanted.points if point.key == key]
        if stored != curve[: len(stored)] or (not stored and run.data.metrics.keys() & OURS):
            return None  # the latter: counts of a time when no seed had finished
        last = stored[-1][0] if stored else 0  # may lack some of its points
        return [point for point in wanted.points if point.step >= last]

    def _write(
        self, run: StoredRun, wanted: Run, tags: Mapping[str, str], points: Iterable[Point]
    ) -> StoredRun:
        """Write everything of a run, but of its metrics only `points`; return it as stored."""
        from mlflow.entities import Metric, Param, RunTag

        run_id, client, scores = run.info.run_id, self._client, set(wanted.scores())
        for name in _written(run) & run.data.tags.keys() - tags.keys():
            client.delete_tag(run_id, name)
        client.log_batch(
            run_id,
            params=[Param(name, value) for name, value in wanted.params.items()],
            tags=[RunTag(name, value) for name, value in tags.items() if name != MIRRORED],
        )
        client.log_inputs(run_id, [dataset_input(part) for part in wanted.data.values()])
        if wanted.record is not None:
            for name in wanted.files:
                client.log_artifact(run_id, str(wanted.record.folder / name))
        model = self._model(run, wanted)
        metrics = []
        for point in points:
            links = {}
            if model and point in scores:
                part = wanted.data[point.key.partition("/")[0]]
                links = {"dataset_name": part.name, "dataset_digest": part.digest}
                links["model_id"] = model.model_id
            metrics.append(Metric(point.key, point.value, point.time, point.step, **links))
        client.log_batch(run_id, metrics=metrics)
        self._models[run_id] = [client.get_logged_model(model.model_id)] if model else []
        if wanted.status in FINAL:
            client.set_terminated(run_id, wanted.status, wanted.end)
        else:
            client.update_run(run_id, wanted.status)
        client.set_tag(run_id, MIRRORED, tags[MIRRORED])
        return client.get_run(run_id)

    def _model(self, run: StoredRun, wanted: Run) -> LoggedModel | None:
        """Return a run's only model; write it or its card if needed, and delete wrong ones."""
        client, record, run_id = self._client, wanted.record, run.info.run_id
        models = self._models.get(run_id, [])
        usable = [model for model in models if record and self._is_usable(model, record)][:1]
        for model in models:
            if model not in usable:
                client.delete_logged_model(model.model_id)
        if record is None:
            return None
        model = usable[0] if usable else write_model(client, run, wanted, record, self._store.owner)
        # The model may be older than its test results, which its card states.
        client.set_logged_model_tags(model.model_id, {NOTE: card(record, run_id)})
        return model

    def delete_others(self) -> None:
        """Delete runs and models that are not in the plan; call it after every `put`."""
        kept = self._kept()
        # Includes models of runs that a user deleted in MLflow.
        for run_id in self._models.keys() - kept:
            for model in self._models[run_id]:
                self._client.delete_logged_model(model.model_id)
        for run in self.others():
            self._client.delete_run(run.info.run_id)


def _unlike(
    wanted: Mapping[str, object], stored: Mapping[str, object], *, both: bool = False
) -> list[str]:
    """Return the keys of `wanted` (with `both`, of either) whose values differ in `stored`."""
    keys = wanted.keys() | stored.keys() if both else wanted.keys()
    return sorted(key for key in keys if wanted.get(key) != stored.get(key))


def _written(run: StoredRun) -> set[str]:
    """Return the names of the tags that the mirror last wrote to a run, besides its own."""
    return set(run.data.tags.get(WRITTEN, "").split("\n"))


def _files(uri: str) -> dict[str, str]:
    """Return the SHA-256 of every artifact at an address, by file name."""
    from mlflow.artifacts import download_artifacts, list_artifacts

    with TemporaryDirectory() as folder:
        if not list_artifacts(artifact_uri=uri):
            return {}
        path = Path(download_artifacts(artifact_uri=uri, dst_path=folder))
        return {file.name: sha256(file.read_bytes()) for file in path.rglob("*") if file.is_file()}


def _note(ours: str, stored: Iterable[str]) -> str:
    """Return a description: our part, and below it the user's notes from earlier ones.

    Our part is cut if the whole exceeds MLflow's limit.
    """
    users = ""
    for note in stored:
        above, mark, below = note.partition(MARK)
        users = users or (below if mark else f"\n\n{above}" if above else "")
    room = max(0, LONGEST_TAG - len(f"\n\n{MARK}{users}"))
    return f"{ours[:room]}\n\n{MARK}{users}"[:LONGEST_TAG]

"""What the store has to hold: a function of all records, without MLflow.

Convention: one experiment per study, one parent run per configuration, one child run per seed. A
run is known by its key, never by MLflow's random id, so that it is found again and never doubled.
Accuracies are in percent, since MLflow's charts round to two decimals. Times are milliseconds
since 1970; what is shown of a time that nobody recorded is MLflow's choice.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from pipeline.base.config import is_study
from pipeline.base.files import sha256
from pipeline.base.masking import one_line
from pipeline.base.paths import Paths
from pipeline.base.processes import is_alive
from pipeline.data.catalogue import Data, dataset_of
from pipeline.records.identity import Description, configuration, grouped, identity
from pipeline.records.names import configuration_names, marked
from pipeline.records.record import (
    IDENTITY,
    PUBLISHED,
    Finished,
    Test,
    Unfinished,
    is_older,
    read_record,
    shared_by,
)
from pipeline.results.evaluation import METRICS as TAKEN
from pipeline.results.statistics import Summary, summarise
from pipeline.tracking.datasets import CONTEXTS, DataPart, data_parts

PARTS = ("train", "validation")
# Every metric that a run of ours can have; others are a user's own.
METRICS = {"epoch/learning_rate", "epoch/seconds"} | {
    f"{part}/{name}" for part in CONTEXTS for name in (*TAKEN, "sd", "ci95_low", "ci95_high", "n")
}
FINAL = {"FINISHED", "FAILED", "KILLED"}
# Of a record's files; its model is MLflow's.
ARTIFACTS = tuple(name for name in (*PUBLISHED, "origin.json", "test.json") if name != "model.npz")
# MLflow cuts longer values off, silently.
LONGEST_PARAM, LONGEST_TAG = 6000, 8000
# Descriptions of runs and models.
NOTES: Any = (
    Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701
    .from_string(Path(__file__).with_name("notes.md.j2").read_text())
    .module
)


class Point(NamedTuple):
    """One value of a metric; its time is 0 where nobody recorded it."""

    key: str
    value: float
    step: int
    time: int


class Model(NamedTuple):
    """A trained model: the SHA-256 of its file, and height and width of the images it takes."""

    digest: str
    image_shape: tuple[int, int]


@dataclass(frozen=True)
class Run:
    """A run as it has to stand in the store.

    Attributes:
        study: the experiment.
        key: names it among all runs of its study.
        parent: the parent's key; None of a configuration.
        points: in ascending steps.
        data: the images that it has read, by part.
        model: if it has finished.
        files: SHA-256 by the name of each artifact.
        folder: where these files and the model lie.
    """

    study: str
    key: str
    parent: str | None
    name: str
    status: str
    start: int | None
    end: int | None
    note: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[Point]
    data: Mapping[str, DataPart]
    model: Model | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default=Path(), repr=False)

    def digest(self) -> str:
        """Return the hash of everything above but the folder: equal digests, equal runs."""
        return sha256(repr(self).encode())

    def latest(self) -> dict[str, float]:
        """Return the last value of every metric."""
        return {point.key: point.value for point in self.points}

    def scores(self) -> list[Point]:
        """Return what the run's model reaches on the images it was given."""
        last = self.points[-1].step if self.points else 0
        return [p for p in self.points if p.step == last and p.key.partition("/")[0] in self.data]


State = Finished | Unfinished
Known = dict[Path, tuple[int, State]]
"""Records by their folder, as they were when it last changed."""


def plan(paths: Paths, study: str, known: Known) -> tuple[list[Run], list[str]]:
    """Return all runs, parents before their children, and a line for each record without one.

    Args:
        paths: where the records are.
        study: the one that records belong to that name none.
        known: is kept up to date. So watching a sweep costs by what it has just written, and not
            by all that was ever trained.
    """
    studies: dict[str, list[State]] = {}
    wrong = []
    for description in sorted(paths.records.glob("*/description.json")):
        folder = description.parent
        if not IDENTITY.fullmatch(folder.name):
            continue  # a user's copy
        record = _read(folder, known)
        if record.description is None:
            wrong += [record.damage] if record.damage and not is_older(folder) else []
            continue
        for name in dict.fromkeys(record.origin.get("studies", [study])):
            if is_study(name):
                studies.setdefault(name, []).append(record)
            else:
                wrong.append(f"{folder} names a study that no experiment can: {one_line(name)}")
    return [run for name in sorted(studies) for run in _study(name, studies[name])], wrong


def _read(folder: Path, known: Known) -> State:
    # Each file of a record is put in its place by renaming, which changes the folder.
    changed = folder.stat().st_mtime_ns
    if folder not in known or known[folder][0] != changed:
        known[folder] = changed, read_record(folder)
    return known[folder][1]


def _study(study: str, records: list[State]) -> Iterator[Run]:
    groups = grouped(records, _configuration)
    first = [_described(members[0]) for members in groups.values()]
    names = configuration_names([described["experiment"] for described in first])
    for (key, members), described, name in zip(groups.items(), first, names, strict=True):
        # The same experiment may have been trained by several versions of the code.
        full_name = f"{name} · code {described['code'][:6]}" if names.count(name) > 1 else name
        full_name = marked(full_name, members[0])
        members.sort(key=_seed)
        children = [_child(study, key, record) for record in members]
        yield _parent(study, key, full_name, members, children)
        yield from children


def _configuration(record: State) -> dict[str, Any]:
    """Return what the records of a parent share; one's own and imported ones have two parents."""
    by = shared_by(record)
    return {**configuration(_described(record)), **({} if by is None else {"shared by": by})}


# --- a seed ------------------------------------------------------------------------------------


def _child(study: str, parent: str, record: State) -> Run:
    described, origin, history = _described(record), record.origin, record.history
    status, reason = _status(record)
    test = _test(record)
    timing = {entry["epoch"]: entry for entry in origin.get("epochs", [])}
    ended = origin.get("ended", timing[max(timing)]["ended"] if timing else None)
    points = []
    for entry in history:
        step, known = entry["epoch"], timing.get(entry["epoch"], {})
        time = _ms(known.get("ended")) or 0
        for part in PARTS:
            points += _points(part, entry[part], step, time)
        points.append(Point("epoch/learning_rate", entry["learning_rate"], step, time))
        if known:
            points.append(Point("epoch/seconds", known["seconds"], step, time))
    points += _points("test", test or {}, len(history), _ms(ended) or 0)
    origin_tags = {
        name: "unknown" if origin.get(name) is None else str(origin[name])
        for name in ("commit", "dirty", "lock", "host", "cpu", "python")
    }
    tags = {
        "seed": str(described["seed"]),
        "identity": identity(described),
        "code": described["code"],
        "mlflow.source.name": "python -m pipeline.stages.train",
        "mlflow.source.git.commit": origin_tags["commit"],
        **origin_tags,
        **origin.get("environment", {}),
        **{f"shared {name}": value for name, value in origin.get("shared", {}).items()},
    }
    run = Run(
        study=study,
        key=identity(described),
        parent=parent,
        name=f"seed {described['seed']}",
        status=status,
        start=_ms(origin.get("started")),
        end=_ms(ended) if status in FINAL else None,
        note=NOTES.seed(described["seed"], identity(described), history, test, status, reason),
        tags={name: value[:LONGEST_TAG] for name, value in tags.items()},
        params={**_flat(described["experiment"]), "seed": str(described["seed"])},
        points=points,
        data=data_parts(described, tested=test is not None),
    )
    if isinstance(record, Unfinished):
        return run
    files = [path for name in ARTIFACTS if (path := record.folder / name).exists()]
    dataset = dataset_of(Data(**described["experiment"]["data"]))
    shape = dataset.image_shape or (1, dataset.features)
    return replace(
        run,
        model=Model(record.hashes["model.npz"], shape),
        files={path.name: sha256(path.read_bytes()) for path in files},
        folder=record.folder,
    )


def _status(record: State) -> tuple[str, str]:
    """Return MLflow's word for how far a run is, and why it is no further."""
    if isinstance(record, Finished):
        return "FINISHED", ""
    if record.damage or record.failure:
        return "FAILED", one_line(record.damage or record.failure, 500)
    elsewhere = record.origin.get("host") not in (None, platform.node())
    if elsewhere or is_alive(str(record.origin.get("process"))):
        return "RUNNING", ""
    return "KILLED", f"its process ended after epoch {len(record.history)}"


def _points(part: str, scores: Mapping[str, float], step: int, time: int) -> list[Point]:
    return [
        Point(f"{part}/{name}", percent(value) if TAKEN[name].is_share else value, step, time)
        for name, value in scores.items()
        if name in TAKEN  # code that was here before may have taken others
    ]


def percent(share: float) -> float:
    """Return a share in percent, to the digits that an accuracy on 59,000 images can have."""
    return round(100 * share, 4)


# --- a configuration ---------------------------------------------------------------------------


def _parent(
    study: str, key: str, name: str, members: Sequence[State], children: Sequence[Run]
) -> Run:
    described = _described(members[0])
    statuses = {child.status for child in children}
    status = next((word for word in ("RUNNING", "FINISHED") if word in statuses), "FAILED")
    end = max((child.end for child in children if child.end), default=None)
    validations = {
        _seed(record): record.validation_accuracy if isinstance(record, Finished) else None
        for record in members
    }
    tests = {_seed(record): scores["accuracy"] for record in members if (scores := _test(record))}
    validation, test = summarise(validations, share=True), summarise(tests, share=True)
    rows = [
        (seed, tests.get(seed), accuracy, *_status(record))
        for record, (seed, accuracy) in zip(members, validations.items(), strict=True)
    ]
    return Run(
        study=study,
        key=key,
        parent=None,
        name=name,
        status=status,
        start=min((child.start for child in children if child.start), default=None),
        end=end if status in FINAL else None,
        note=NOTES.configuration(validation, test, rows),
        tags={"code": described["code"]},
        params=_flat(described["experiment"]),
        # While seeds are still training, means over those that have come far enough would
        # change, and a store keeps every value it was ever given.
        points=_means(members, validation, test, end or 0) if status in FINAL else [],
        data=data_parts(described, tested=test.n > 0),
    )


def _means(members: Sequence[State], validation: Summary, test: Summary, end: int) -> list[Point]:
    """Return the means over finished seeds after each epoch, and what is known of the last."""
    histories = [record.history for record in members if isinstance(record, Finished)]
    ended: dict[int, float] = {}
    for timing in (timing for record in members for timing in record.origin.get("epochs", [])):
        ended[timing["epoch"]] = max(timing["ended"], ended.get(timing["epoch"], 0))
    points, step = [], 0
    for entries in zip(*histories, strict=True):
        step = entries[0]["epoch"]
        for part in PARTS:
            means = {
                name: fmean(entry[part][name] for entry in entries) for name in entries[0][part]
            }
            points += _points(part, means, step, _ms(ended.get(step)) or 0)
    if test.mean is not None:
        points.append(Point("test/accuracy", percent(test.mean), step, end))
    for part, summary in (("validation", validation), ("test", test)):
        if summary.declared:
            points.append(Point(f"{part}/n", summary.n, step, end))
        if summary.sd is not None and summary.ci95 is not None:
            limits = zip(("sd", "ci95_low", "ci95_high"), (summary.sd, *summary.ci95), strict=True)
            points += [Point(f"{part}/{name}", percent(v), step, end) for name, v in limits]
    return points


# --- both --------------------------------------------------------------------------------------


def _described(record: State) -> Description:
    assert record.description is not None
    return record.description


def _seed(record: State) -> int:
    return int(_described(record)["seed"])


def _test(record: State) -> Test | None:
    return record.test if isinstance(record, Finished) else None


def _flat(experiment: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{section}.{name}": (json.dumps(value) if isinstance(value, list) else str(value))[
            :LONGEST_PARAM
        ]
        for section, values in experiment.items()
        for name, value in values.items()
    }


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(1000 * seconds)

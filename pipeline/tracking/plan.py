"""Compute the runs that the MLflow store has to hold from all records, without MLflow.

Convention: one experiment per study, one parent run per configuration, one child run per seed. A
run is identified by its key, not by MLflow's random id, so that it is never duplicated. Accuracies
are in percent, since MLflow's charts round to two decimals. Times are milliseconds since 1970.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from pipeline.base.config import is_study
from pipeline.base.errors import UserError
from pipeline.base.files import read_json, sha256
from pipeline.base.masking import one_line
from pipeline.base.paths import Paths
from pipeline.base.processes import is_alive
from pipeline.data.catalogue import Data, dataset_of
from pipeline.records.gather import read_tests
from pipeline.records.identity import Description, grouped, identity
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
from pipeline.results.evaluation import METRICS
from pipeline.results.page import template
from pipeline.results.statistics import summarise
from pipeline.tracking.datasets import CONTEXTS, DataPart, data_parts

# Keys of all metrics that the mirror writes; others are the user's own.
OURS = {"progress/learning_rate", "progress/seconds"} | {
    f"{part}/{name}" for part in CONTEXTS for name in (*METRICS, "sd", "ci95_low", "ci95_high", "n")
}
FINAL = {"FINISHED", "FAILED", "KILLED"}
# Files of a record that become artifacts; its model becomes a logged model.
ARTIFACTS = tuple(name for name in (*PUBLISHED, "origin.json", "test.json") if name != "model.npz")
# MLflow silently truncates longer values.
LONGEST_PARAM, LONGEST_TAG = 6000, 8000
# Descriptions of runs and models.
NOTES: Any = template("tracking/notes.md.j2").module


class Point(NamedTuple):
    """One value of a metric; its time is 0 if it was not recorded."""

    key: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class Run:
    """A run as the store has to hold it.

    Attributes:
        study: name of the experiment.
        key: unique among the runs of the study.
        parent: the parent's key; None for a configuration.
        points: values of metrics, in ascending steps.
        data: the data that it used, by part.
        files: SHA-256 of each artifact, by name; that of the manifest implies the model's.
        record: of a finished seed, which has these files and the model.
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
    files: Mapping[str, str] = field(default_factory=dict)
    record: Finished | None = field(default=None, repr=False)

    def digest(self) -> str:
        """Return the hash of all attributes but the record."""
        return sha256(repr(self).encode())

    def latest(self) -> dict[str, float]:
        """Return the last value of every metric."""
        return {point.key: point.value for point in self.points}

    def scores(self) -> list[Point]:
        """Return the values that the run's final model reaches on its data."""
        last = self.points[-1].step if self.points else 0
        return [p for p in self.points if p.step == last and p.key.partition("/")[0] in self.data]


class Seed(NamedTuple):
    """A record with a readable description, and the status of its run."""

    record: Finished | Unfinished
    described: Description
    status: str
    reason: str

    @property
    def number(self) -> int:
        """The seed."""
        return int(self.described["seed"])

    @property
    def test(self) -> Test | None:
        """Its test results, if it was tested."""
        return self.record.test if isinstance(self.record, Finished) else None


Known = dict[Path, tuple[int, Finished | Unfinished]]
"""A cache: for each folder, its modification time and its record."""


def plan(paths: Paths, study: str, known: Known) -> tuple[list[Run], list[str]]:
    """Return all runs, parents before children, and an error line for each unusable record.

    Args:
        paths: where the records are.
        study: of the records that name none.
        known: a cache, updated here, so that only records that changed are read again.
    """
    studies: dict[str, list[Seed]] = {}
    wrong = []
    for description in sorted(paths.records.glob("*/description.json")):
        folder = description.parent
        if not IDENTITY.fullmatch(folder.name):
            continue  # not a record, such as a user's copy
        record = _read(folder, known)
        if record.description is None:
            damage = isinstance(record, Unfinished) and record.damage
            wrong += [damage] if damage and not is_older(folder) else []
            continue
        seed = Seed(record, record.description, *_status(record))
        for name in dict.fromkeys(record.origin.get("studies", [study])):
            if is_study(name):
                studies.setdefault(name, []).append(seed)
            else:
                wrong.append(f"{folder} names a study that no experiment can: {one_line(name)}")
    intervals = _new_images(paths)
    runs = [run for name in sorted(studies) for run in _study(name, studies[name], intervals)]
    return runs, wrong


Intervals = Mapping[frozenset[str], tuple[float, float]]


def _new_images(paths: Paths) -> Intervals:
    """Return the interval for new images and new seeds in `results/`, in percent.

    Its key is the manifests of the evaluated records, which cannot give it: they hold means only.
    There is none if the results are missing or incomplete.
    """
    try:
        limits = read_json(paths.metrics)["test"]["new_images"]
        manifests = frozenset(read_tests(paths.tests))
        return {manifests: (float(limits["low"]), float(limits["high"]))}
    except (OSError, UserError, LookupError, TypeError, ValueError):
        return {}


def _read(folder: Path, known: Known) -> Finished | Unfinished:
    # Files are renamed into a record, which changes the folder's modification time.
    changed = folder.stat().st_mtime_ns
    if folder not in known or known[folder][0] != changed:
        known[folder] = changed, read_record(folder)
    return known[folder][1]


def _status(record: Finished | Unfinished) -> tuple[str, str]:
    """Return MLflow's status of a run, and the reason if it did not finish."""
    if isinstance(record, Finished):
        return "FINISHED", ""
    if record.damage or record.failure:
        return "FAILED", one_line(record.damage or record.failure, 500)
    elsewhere = record.origin.get("host") not in (None, platform.node())
    if elsewhere or is_alive(str(record.origin.get("process"))):
        return "RUNNING", ""
    return "KILLED", f"its process ended after epoch {len(record.history)}"


def _study(study: str, seeds: list[Seed], intervals: Intervals) -> Iterator[Run]:
    groups = grouped(seeds, _shared)
    experiments = [members[0].described["experiment"] for members in groups.values()]
    names = configuration_names(experiments)
    for (key, members), name in zip(groups.items(), names, strict=True):
        members.sort(key=lambda seed: seed.number)
        # The same experiment may have been trained by several versions of the code. What differs
        # comes first, since MLflow cuts long names off.
        code = f"code {members[0].described['code'][:6]} · " if names.count(name) > 1 else ""
        children = [_child(study, key, seed) for seed in members]
        marked_name = marked(f"{code}{name}", members[0].record)
        tested = {s.record.manifest for s in members if isinstance(s.record, Finished) and s.test}
        new_images = intervals.get(frozenset(tested))
        yield _parent(study, key, marked_name, members, children, new_images)
        yield from children


def _shared(seed: Seed) -> dict[str, Any]:
    """Return what the seeds of a parent run share; own and imported seeds have separate parents."""
    described = {key: value for key, value in seed.described.items() if key != "seed"}
    return {**described, "shared by": shared_by(seed.record)}


def _child(study: str, parent: str, seed: Seed) -> Run:
    """Return a seed's run."""
    record, described, origin = seed.record, seed.described, seed.record.origin
    last = max((timing["ended"] for timing in origin.get("epochs", [])), default=None)
    end = _ms(origin.get("ended", last))
    known = ("commit", "dirty", "lock", "host", "cpu", "python")
    tags = {name: "unknown" if origin.get(name) is None else str(origin[name]) for name in known}
    tags |= {
        "seed": str(seed.number),
        "identity": identity(described),
        "code": described["code"],
        "mlflow.source.name": "pipeline train",
        "mlflow.source.git.commit": tags["commit"],
        **origin.get("environment", {}),
        **{f"shared {name}": value for name, value in origin.get("shared", {}).items()},
    }
    finished = record if isinstance(record, Finished) else None
    paths = [record.folder / name for name in ARTIFACTS if finished]
    return Run(
        study=study,
        key=identity(described),
        parent=parent,
        name=f"seed {seed.number}",
        status=seed.status,
        start=_ms(origin.get("started")),
        end=end if seed.status in FINAL else None,
        note=str(NOTES.seed(seed, identity(described))),
        tags={name: value[:LONGEST_TAG] for name, value in tags.items()},
        params={**_flat(described["experiment"]), "seed": str(seed.number)},
        points=_curves([seed], end or 0),
        data=data_parts(described, tested=seed.test is not None),
        files={path.name: sha256(path.read_bytes()) for path in paths if path.exists()},
        record=finished,
    )


def _parent(
    study: str,
    key: str,
    name: str,
    seeds: Sequence[Seed],
    children: Sequence[Run],
    new_images: tuple[float, float] | None,
) -> Run:
    """Return a configuration's run."""
    experiment = seeds[0].described["experiment"]
    noun = dataset_of(Data(**experiment["data"])).noun
    statuses = {seed.status for seed in seeds}
    status = next((word for word in ("RUNNING", "FINISHED") if word in statuses), "FAILED")
    end = max((child.end for child in children if child.end), default=None)
    finished = [seed for seed in seeds if seed.status == "FINISHED"]
    reached = {seed.number: seed.record.history[-1]["validation"]["accuracy"] for seed in finished}
    validation = summarise({seed.number: reached.get(seed.number) for seed in seeds}, share=True)
    tests = {seed.number: seed.test["accuracy"] for seed in seeds if seed.test}
    test = summarise(tests, share=True)
    points = []
    # While seeds are training, the means would still change, and MLflow keeps every value that was
    # ever logged.
    if status in FINAL:
        points = _curves(finished, end or 0)
        step = points[-1].step if points else 0
        for part, summary in (("validation", validation), ("test", test)):
            low, high = summary.ci95 or (None, None)
            values = {"sd": summary.sd, "ci95_low": low, "ci95_high": high}
            shares = {name: percent(value) for name, value in values.items() if value is not None}
            counts = {"n": summary.n} if summary.declared else {}
            points += [
                Point(f"{part}/{name}", value, step, end or 0)
                for name, value in {**shares, **counts}.items()
            ]
    return Run(
        study=study,
        key=key,
        parent=None,
        name=name,
        status=status,
        start=min((child.start for child in children if child.start), default=None),
        end=end if status in FINAL else None,
        note=str(NOTES.configuration(seeds, validation, test, new_images, noun)),
        tags={"code": seeds[0].described["code"]},
        params=_flat(experiment),
        points=points,
        data=data_parts(seeds[0].described, tested=test.n > 0),
    )


def _curves(seeds: Sequence[Seed], end: int) -> list[Point]:
    """Return the means over seeds: after every epoch, and on the test images."""
    timings: dict[int, list[Mapping[str, float]]] = {}
    for timing in (timing for s in seeds for timing in s.record.origin.get("epochs", [])):
        timings.setdefault(int(timing["epoch"]), []).append(timing)
    points, step = [], 0
    for entries in zip(*(seed.record.history for seed in seeds), strict=True):
        step = entries[0]["epoch"]
        known = timings.get(step, [])
        time = max((int(1000 * timing["ended"]) for timing in known), default=0)
        for part in ("train", "validation"):
            points += _means(part, [entry[part] for entry in entries], step, time)
        points.append(Point("progress/learning_rate", entries[0]["learning_rate"], step, time))
        if known:
            seconds = fmean(timing["seconds"] for timing in known)
            points.append(Point("progress/seconds", seconds, step, time))
    return points + _means("test", [seed.test for seed in seeds if seed.test], step, end)


def _means(part: str, scores: Sequence[Mapping[str, float]], step: int, time: int) -> list[Point]:
    means = {
        name: fmean(each[name] for each in scores)
        for name in METRICS
        # Earlier code may have recorded other metrics.
        if scores and all(name in each for each in scores)
    }
    return [
        Point(f"{part}/{name}", percent(mean) if METRICS[name].is_share else mean, step, time)
        for name, mean in means.items()
    ]


def percent(share: float) -> float:
    """Return a share in percent; four decimals are enough for 59,000 images."""
    return round(100 * share, 4)


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

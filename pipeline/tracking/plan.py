"""What the store has to hold: a function of all records, without MLflow.

Convention: one experiment per study, one parent run per configuration, one child run per seed. A
run is known by its key, never by MLflow's random id, so that it is found again and never doubled.
Accuracies are in percent, since MLflow's charts round to two decimals.
Times are milliseconds since 1970, from the records; None where nobody recorded them.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.base.config import is_study
from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, sha256
from pipeline.base.masking import one_line
from pipeline.base.paths import Paths
from pipeline.base.processes import is_alive
from pipeline.data.catalogue import DATASETS
from pipeline.records.environment import recorded_environment
from pipeline.records.identity import Description, configuration, grouped, identity
from pipeline.records.names import configuration_names
from pipeline.records.record import (
    IDENTITY,
    PUBLISHED,
    Finished,
    History,
    Test,
    Unfinished,
    are_scores,
    is_older,
    read_description,
    read_record,
)
from pipeline.results.statistics import METHODS, Summary, summarise
from pipeline.results.tables import read_summary
from pipeline.tracking.datasets import DataPart, data_parts
from pipeline.tracking.models import Model

PARTS = ("train", "validation")
FINAL = {"FINISHED", "FAILED", "KILLED"}
# Tags by which runs are known: their key, and the format of the record that they are of.
KEY, RECORD_FORMAT = "pipeline.key", "pipeline.format"
# Of a record's files; its model is MLflow's.
ARTIFACTS = tuple(name for name in (*PUBLISHED, "origin.json", "test.json") if name != "model.npz")
# MLflow cuts longer values off, silently.
LONGEST_PARAM, LONGEST_TAG = 6000, 8000
MOST_ROWS = 40  # of a description's table


class Point(NamedTuple):
    """One value of a metric."""

    key: str
    value: float
    step: int
    time: int | None


@dataclass
class Run:
    """A run as it has to stand in the store.

    Attributes:
        key: names it among all runs of its study; without its owner.
        data: the images that it has read.
        model: its model, if it has finished.
    """

    key: str
    name: str
    status: str
    note: str
    start: int | None
    end: int | None
    tags: dict[str, str]
    params: dict[str, str]
    points: list[Point]
    artifacts: dict[str, bytes] = field(default_factory=dict)
    data: list[DataPart] = field(default_factory=list)
    model: Model | None = None

    def digest(self) -> str:
        """Return the hash of everything above: equal digests, equal runs."""
        return sha256(
            canonical_json(
                {
                    **vars(self),
                    "points": [[p.key, repr(p.value), p.step, p.time] for p in self.points],
                    "artifacts": {name: sha256(data) for name, data in self.artifacts.items()},
                    "model": self.model and self.model.digest,
                }
            )
        )

    def latest(self) -> dict[str, float]:
        """Return the last value of every metric."""
        return {point.key: point.value for point in sorted(self.points, key=lambda p: p.step)}


@dataclass
class Parent:
    """A configuration's run and its seeds'."""

    run: Run
    children: list[Run]


Plan = dict[str, list[Parent]]
"""Parents by study."""


class Seed(NamedTuple):
    """A record whose description can be read."""

    record: Finished | Unfinished
    described: Description

    @property
    def number(self) -> int:
        """The seed."""
        return int(self.described["seed"])

    @property
    def test(self) -> Test | None:
        """Loss and accuracy on the test images, if they are known."""
        return self.record.test if isinstance(self.record, Finished) else None

    @property
    def validation_accuracy(self) -> float | None:
        """After the last epoch, of a seed that finished."""
        return self.record.validation_accuracy if isinstance(self.record, Finished) else None


Signature = tuple[tuple[str, int, int], ...]


class Records:
    """The records of a checkout; each is read again only when a file of it has changed.

    So that watching a sweep costs by what it has just written, not by all that was ever trained.

    Args:
        paths: where the records are.
        study: the one that records belong to that name none.
    """

    def __init__(self, paths: Paths, study: str) -> None:
        self._paths, self._study = paths, study
        self._known: dict[str, tuple[Signature, Seed | str | None]] = {}
        self._children: dict[tuple[str, str], tuple[Seed, Run]] = {}

    def plan(self) -> tuple[Plan, list[str]]:
        """Return what the store has to hold, and a line for each record that it cannot show."""
        studies: dict[str, list[Seed]] = {}
        wrong = []
        for folder in sorted(
            path.parent
            for path in self._paths.records.glob("*/description.json")
            # Not of a user's copy of a record.
            if IDENTITY.fullmatch(path.parent.name)
        ):
            seed = self._seed(folder)
            if isinstance(seed, str):
                wrong.append(seed)
            if not isinstance(seed, Seed):
                continue
            for study in dict.fromkeys(seed.record.origin.get("studies", [self._study])):
                if is_study(study):
                    studies.setdefault(study, []).append(seed)
                else:
                    wrong.append(
                        f"{folder} names a study that no experiment can: {one_line(study)}"
                    )
        return {
            study: self._parents(study, seeds) for study, seeds in sorted(studies.items())
        }, wrong

    def _seed(self, folder: Path) -> Seed | str | None:
        """Return a record, what is wrong with it, or None for one of an earlier format."""
        signature = _signature(folder)
        known = self._known.get(folder.name)
        if known is None or known[0] != signature:
            known = self._known[folder.name] = (signature, _read(folder))
        return known[1]

    def _parents(self, study: str, seeds: Iterable[Seed]) -> list[Parent]:
        by_configuration = sorted(grouped(seeds, lambda s: configuration(s.described)).items())
        parents = []
        for key, members in by_configuration:
            members.sort(key=lambda seed: seed.number)
            children = [self._child(study, seed) for seed in members]
            parent = _parent(key, members, children, self._paths.metrics)
            parents.append(Parent(parent, children))
        _name(parents, [members[0].described for _, members in by_configuration])
        return parents

    def _child(self, study: str, seed: Seed) -> Run:
        if isinstance(seed.record, Unfinished):
            return _child(seed)  # whether its process is alive is in no file
        place = study, seed.record.identity
        known = self._children.get(place)
        if known is None or known[0] is not seed:
            known = self._children[place] = (seed, _child(seed))
        return known[1]


def _signature(folder: Path) -> Signature:
    states = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                state = entry.stat()
            except OSError:
                continue  # a temporary file that has its name by now
            states.append((entry.name, state.st_size, state.st_mtime_ns))
    return tuple(sorted(states))


def _read(folder: Path) -> Seed | str | None:
    if is_older(folder):
        return None
    record = read_record(folder)
    if not _is_history(record.history):
        return f"{folder / 'progress.json'} holds no epochs"
    if record.description is not None:
        return Seed(record, record.description)
    try:
        read_description(folder)
    except UserError as error:
        return str(error)
    return None  # its folder is gone by now, or being made


def _is_history(history: Any) -> bool:
    """Tell whether epochs can be shown: while a run trains, no seal protects them."""
    try:
        return all(
            type(entry["epoch"]) is int
            and isinstance(entry["learning_rate"], float)
            and all(are_scores(entry[part]) for part in PARTS)
            for entry in history
        )
    except (TypeError, KeyError):
        return False


def _name(parents: list[Parent], descriptions: list[Description]) -> None:
    """Name parents by their configuration; after a change of code, also by the code's hash."""
    names = configuration_names([described["experiment"] for described in descriptions])
    by_name: dict[str, list[Run]] = {}
    for parent, name in zip(parents, names, strict=True):
        parent.run.name = name
        by_name.setdefault(name, []).append(parent.run)
    for runs in by_name.values():
        codes = {run.tags["code"] for run in runs}
        for run in runs if len(runs) > 1 else []:
            run.name += (
                f" · code {run.tags['code'][:6]}"
                if len(codes) == len(runs)
                else f" · {run.key[:6]}"
            )


# --- a seed ---


def _child(seed: Seed) -> Run:
    record, described = seed.record, seed.described
    origin, history = record.origin, record.history
    status, reason = _status(record)
    experiment = described["experiment"]
    timing = {entry["epoch"]: entry for entry in origin.get("epochs", [])}
    end = origin.get("ended") if status == "FINISHED" else None
    last = timing[max(timing)]["ended"] if timing else None
    run = Run(
        key=identity(described),
        name=f"seed {described['seed']}",
        status=status,
        note=_child_note(described, history, seed.test, status, reason),
        start=_ms(origin.get("started")),
        end=_ms(end or last) if status in FINAL else None,
        tags={
            "seed": str(described["seed"]),
            "identity": identity(described),
            "code": described["code"],
            **_origin_tags(origin),
            **{f"sha256 {name}": digest for name, digest in described["data"].items()},
        },
        params={**_flat(experiment), "seed": str(described["seed"])},
        points=_seed_points(history, timing, seed.test, _ms(end)),
        data=data_parts(described, tested=seed.test is not None),
    )
    if reason:
        run.tags["reason"] = one_line(reason, 500)
    if isinstance(record, Finished):
        for path in (record.folder / name for name in ARTIFACTS):
            if path.exists():
                run.artifacts[path.name] = path.read_bytes()
        run.model = Model(
            record.folder / "model.npz",
            record.hashes["model.npz"],
            DATASETS[experiment["data"]["name"]].image_shape,
            len(history),
            run.params,
        )
    return run


def _status(record: Finished | Unfinished) -> tuple[str, str | None]:
    if isinstance(record, Finished):
        return "FINISHED", None
    if record.damage is not None:
        return "FAILED", record.damage
    if record.failure is not None:
        return "FAILED", record.failure
    elsewhere = record.origin.get("host") not in (None, platform.node())
    if elsewhere or is_alive(str(record.origin.get("process"))):
        return "RUNNING", None
    return "KILLED", f"its process ended after epoch {len(record.history)}"


def _seed_points(
    history: History,
    timing: Mapping[int, Mapping[str, Any]],
    test: Mapping[str, float] | None,
    end: int | None,
) -> list[Point]:
    points = []
    for entry in history:
        step = entry["epoch"]
        known = timing.get(step, {})
        time = _ms(known.get("ended"))
        for part in PARTS:
            points += _scores(part, entry[part], step, time)
        points.append(Point("train/learning_rate", entry["learning_rate"], step, time))
        if "seconds" in known:
            points.append(Point("train/seconds", known["seconds"], step, time))
    if test is not None:
        points += _scores("test", test, len(history), end)
    return points


def _scores(part: str, scores: Mapping[str, float], step: int, time: int | None) -> list[Point]:
    return [
        Point(f"{part}/accuracy", percent(scores["accuracy"]), step, time),
        Point(f"{part}/loss", scores["loss"], step, time),
    ]


def percent(share: float) -> float:
    """Return a share in percent, to the digits that an accuracy on 59,000 images can have."""
    return round(100 * share, 4)


def _origin_tags(origin: Mapping[str, Any]) -> dict[str, str]:
    tags = {"mlflow.source.name": "python -m pipeline.stages.train"}
    if origin.get("commit"):
        tags["mlflow.source.git.commit"] = str(origin["commit"])
    for name in ("commit", "dirty", "lock", "host", "cpu", "python"):
        value = origin.get(name)
        tags[name] = "unknown" if value is None else str(value)
    tags |= recorded_environment(origin)
    return {name: value[:LONGEST_TAG] for name, value in tags.items()}


def _child_note(
    described: Mapping[str, Any],
    history: History,
    test: Mapping[str, float] | None,
    status: str,
    reason: str | None,
) -> str:
    lines = [f"Seed **{described['seed']}**, record `{identity(described)}`."]
    if history:
        last = history[-1]
        lines.append(
            f"After epoch {last['epoch']}: training accuracy {last['train']['accuracy']:.2%}, "
            f"validation {last['validation']['accuracy']:.2%}"
            + (f", test {test['accuracy']:.2%}." if test else ".")
        )
    if reason:
        lines.append(f"{status.capitalize()}: {_cell(reason)}.")
    return "\n\n".join(lines)


# --- a configuration ---


def _parent(key: str, seeds: list[Seed], children: list[Run], metrics: Path) -> Run:
    described = seeds[0].described
    statuses = [child.status for child in children]
    status = (
        "RUNNING" if "RUNNING" in statuses else "FINISHED" if "FINISHED" in statuses else "FAILED"
    )
    starts = [child.start for child in children if child.start is not None]
    ends = [child.end for child in children if child.end is not None]
    end = max(ends, default=None) if status in FINAL else None
    final = {seed.number: seed.validation_accuracy for seed in seeds}
    tested = {seed.number: seed.test["accuracy"] for seed in seeds if seed.test}
    validation, test = summarise(final, share=True), summarise(tested, share=True)
    return Run(
        key=key,
        name="",  # once all are known
        status=status,
        note=_parent_note(validation, _with_images(test, metrics), seeds, children),
        start=min(starts, default=None),
        end=end,
        tags={
            "seeds": ranges([seed.number for seed in seeds])[:LONGEST_TAG],
            "code": described["code"],
        },
        params=_flat(described["experiment"]),
        data=data_parts(described, tested=test.n > 0),
        # While seeds are still training, means over those that have come far enough would
        # change, and a store keeps every value it was ever given.
        points=_parent_points(seeds, validation, test, end) if status in FINAL else [],
    )


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers in short, such as `0-4, 7`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def _with_images(test: Summary, metrics: Path) -> Summary:
    """Return test accuracy with the images' part, where the results are of the same seeds."""
    try:
        stored = read_summary(metrics, "test", "accuracy")
    except (OSError, UserError, KeyError):
        return test  # there are no results yet, or they are being made
    return stored if stored.per_seed == test.per_seed else test


def _parent_points(
    seeds: list[Seed], validation: Summary, test: Summary, end: int | None
) -> list[Point]:
    histories = [seed.record.history for seed in seeds if isinstance(seed.record, Finished)]
    timings = [
        {e["epoch"]: e["ended"] for e in seed.record.origin.get("epochs", [])} for seed in seeds
    ]
    points = []
    for entries in zip(*histories, strict=True):
        step = entries[0]["epoch"]
        times = [timing[step] for timing in timings if step in timing]
        time = _ms(max(times)) if times else None
        for part in PARTS:
            means = {
                name: math.fsum(entry[part][name] for entry in entries) / len(entries)
                for name in ("accuracy", "loss")
            }
            points += _scores(part, means, step, time)
    step = len(histories[0]) if histories else 0
    if test.mean is not None:
        points.append(Point("test/accuracy", percent(test.mean), step, end))
    for part, summary in (("validation", validation), ("test", test)):
        if summary.sd is not None and summary.ci95 is not None:
            points.append(Point(f"{part}/sd", percent(summary.sd), step, end))
            for name, limit in zip(("low", "high"), summary.ci95, strict=True):
                points.append(Point(f"{part}/ci95_{name}", percent(limit), step, end))
        if summary.declared:
            points.append(Point(f"{part}/n", summary.n, step, end))
    points.append(Point("seeds_failed", validation.declared - validation.n, step, end))
    return points


def _parent_note(validation: Summary, test: Summary, seeds: list[Seed], children: list[Run]) -> str:
    lines = [f"Validation accuracy: {validation.percent()}."]
    if test.declared:
        lines.insert(0, f"**Test accuracy: {test.percent()}.**")
    lines.append(f"Curves are means over seeds; limits are {METHODS}.")
    table = ["| seed | test | validation | |", "|---|---|---|---|"]
    for seed, child in list(zip(seeds, children, strict=True))[:MOST_ROWS]:
        test_accuracy = None if seed.test is None else seed.test["accuracy"]
        cells = [
            "" if value is None else f"{value:.2%}"
            for value in (test_accuracy, seed.validation_accuracy)
        ]
        state = "" if child.status == "FINISHED" else child.status.lower()
        if "reason" in child.tags:
            state += f": {_cell(child.tags['reason'])}"
        table.append(f"| {seed.number} | {cells[0]} | {cells[1]} | {state} |")
    if len(seeds) > MOST_ROWS:
        table.append(f"| and {len(seeds) - MOST_ROWS} more | | | |")
    return "\n\n".join([*lines, "\n".join(table)])


def _cell(text: str) -> str:
    """Return a text as it can stand in a table of Markdown."""
    return one_line(text, 100).replace("|", "\\|").replace("<", "\\<")


# --- both ---


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

"""What the store has to hold: a function of records and results, without MLflow.

Convention: one experiment a study, one parent run a configuration, one child a seed. A run is
known by its key, never by MLflow's random id, so that it is found again and never doubled.
Times are milliseconds since 1970, from the records; None where nobody recorded them.
"""

from __future__ import annotations

import csv
import json
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config import Config
from pipeline.data.catalogue import DATASETS
from pipeline.errors import UserError
from pipeline.files import canonical_json, read_yaml, sha256
from pipeline.paths import Paths
from pipeline.processes import is_alive
from pipeline.records.environment import recorded_environment
from pipeline.records.identity import Description, configuration_identity, identity
from pipeline.records.names import configuration_names
from pipeline.records.record import (
    PUBLISHED,
    Finished,
    History,
    Test,
    Unfinished,
    is_older,
    read_description,
    read_record,
)
from pipeline.results.statistics import METHOD, Summary, summarise
from pipeline.tracking.datasets import DataPart, data_parts
from pipeline.tracking.models import Model

PARTS, METRICS = ("train", "validation"), ("accuracy", "loss")
FINAL = {"FINISHED", "FAILED", "KILLED"}
# Tags that a run can lose again, as when a killed one goes on.
SOMETIMES = {"reason"}
# Of a record's files; its model is MLflow's.
ARTIFACTS = tuple(name for name in (*PUBLISHED, "origin.json", "test.json") if name != "model.npz")


class Point(NamedTuple):
    """One value of a metric."""

    key: str
    value: float
    step: int
    time: int | None


@dataclass
class Run:
    """A run as it has to stand in the store."""

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
                    "model": self.model and self.model.digest,
                    "points": [[p.key, repr(p.value), p.step, p.time] for p in self.points],
                    "artifacts": {name: sha256(data) for name, data in self.artifacts.items()},
                }
            )
        )


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
    declared: bool
    """Whether results and figures are of it."""

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


def plan(config: Config, paths: Paths, identities: Iterable[str] | None = None) -> Plan:
    """Return what the store has to hold.

    Args:
        config: says which study records belong to that name none.
        paths: where records and results are.
        identities: only these records, as while they are being trained; None for all.
    """
    studies: dict[str, list[Seed]] = {}
    chosen = None if identities is None else set(identities)
    declared = set() if chosen is not None else _declared(paths)
    for folder in sorted(path.parent for path in paths.records.glob("*/description.json")):
        if is_older(folder) or (chosen is not None and folder.name not in chosen):
            continue
        record = read_record(folder)
        if record.description is None:
            continue  # `unreadable` names it
        seed = Seed(record, record.description, folder.name in declared)
        for study in record.origin.get("studies", [config.study]):
            studies.setdefault(study, []).append(seed)
    dvc_hashes = _dvc_hashes(paths)
    return {
        study: _parents(study, seeds, dvc_hashes, paths) for study, seeds in sorted(studies.items())
    }


def _declared(paths: Paths) -> set[str]:
    """Return the identities of the runs that results and figures are of."""
    folders = (path.parent for path in paths.runs.glob("seed-*/manifest.json"))
    return {identity(read_description(folder)) for folder in folders if not is_older(folder)}


def unreadable(paths: Paths) -> list[str]:
    """Return what is wrong with records that no plan can hold: nobody knows what they are of."""
    wrong = []
    for folder in sorted(path.parent for path in paths.records.glob("*/description.json")):
        try:
            if not is_older(folder):
                read_description(folder)
        except UserError as error:
            wrong.append(str(error))
    return wrong


def _parents(
    study: str, seeds: Iterable[Seed], dvc_hashes: Mapping[str, str], paths: Paths
) -> list[Parent]:
    by_configuration: dict[str, list[Seed]] = {}
    for seed in seeds:
        key = configuration_identity(seed.described)
        by_configuration.setdefault(key, []).append(seed)
    parents = []
    for key, members in sorted(by_configuration.items()):
        members.sort(key=lambda seed: seed.number)
        children = [_child(study, seed, dvc_hashes, paths) for seed in members]
        parents.append(Parent(_parent(f"{study}/{key}", members, children, paths), children))
    _name(parents, [members[0].described for _, members in sorted(by_configuration.items())])
    return parents


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
            code, key = run.tags["code"][:6], run.key.rpartition("/")[2][:6]
            run.name += f" · code {code}" if len(codes) == len(runs) else f" · {key}"


# --- a seed ---


def _child(study: str, seed: Seed, dvc_hashes: Mapping[str, str], paths: Paths) -> Run:
    record, described = seed.record, seed.described
    origin, history = record.origin, record.history
    status, reason = _status(record)
    experiment = described["experiment"]
    dataset = DATASETS[experiment["data"]["name"]]
    timing = {entry["epoch"]: entry for entry in origin.get("epochs", [])}
    end = origin.get("ended") if status == "FINISHED" else None
    last = timing[max(timing)]["ended"] if timing else None
    run = Run(
        key=f"{study}/{identity(described)}",
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
            **{
                f"dvc {path}": digest
                for path, digest in dvc_hashes.items()
                if Path(path).name == dataset.name
            },
        },
        params={**_flat(experiment), "seed": str(described["seed"])},
        points=_seed_points(history, timing, seed.test, _ms(end)),
        data=data_parts(described, tested=seed.test is not None),
    )
    if reason:
        run.tags["reason"] = reason
    if isinstance(record, Finished):
        for path in (record.folder / name for name in ARTIFACTS):
            if path.exists():
                run.artifacts[path.name] = path.read_bytes()
        run.model = Model(
            record.folder / "model.npz",
            record.hashes["model.npz"],
            dataset.image_shape,
            len(history),
            run.params,
        )
    if seed.declared and seed.test is not None and paths.confusion.exists():
        run.artifacts["confusion.csv"] = _confusion_of(paths.confusion, described["seed"])
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
            for metric in METRICS:
                points += _metric(f"{part}/{metric}", entry[part][metric], step, time)
        points.append(Point("train/learning_rate", entry["learning_rate"], step, time))
        if "seconds" in known:
            points.append(Point("train/seconds", known["seconds"], step, time))
    for metric, value in (test or {}).items():
        points += _metric(f"test/{metric}", value, len(history), end)
    return points


def _metric(key: str, value: float, step: int, time: int | None) -> list[Point]:
    points = [Point(key, value, step, time)]
    if key.endswith("accuracy"):
        # MLflow's bars round to two decimals, on which accuracies look alike; its tables show
        # every digit of a product.
        points.append(Point(f"{key}_percent", round(100 * value, 4), step, time))
    return points


def _origin_tags(origin: Mapping[str, Any]) -> dict[str, str]:
    tags = {"mlflow.source.name": "python -m pipeline.stages.train"}
    if origin.get("commit"):
        tags["mlflow.source.git.commit"] = str(origin["commit"])
    for name in ("commit", "dirty", "lock", "host", "cpu", "python"):
        value = origin.get(name)
        tags[name] = "unknown" if value is None else str(value)
    return {**tags, **recorded_environment(origin)}


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
        lines.append(f"{status.capitalize()}: {reason}.")
    return "\n\n".join(lines)


def _confusion_of(path: Path, seed: int) -> bytes:
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["seed"] == str(seed)]
    lines = ["actual,predicted,count"]
    lines += [f"{row['actual']},{row['predicted']},{row['count']}" for row in rows]
    return ("\n".join(lines) + "\n").encode()


# --- a configuration ---


def _parent(key: str, seeds: list[Seed], children: list[Run], paths: Paths) -> Run:
    described = seeds[0].described
    experiment = described["experiment"]
    statuses = [child.status for child in children]
    status = (
        "RUNNING" if "RUNNING" in statuses else "FINISHED" if "FINISHED" in statuses else "FAILED"
    )
    starts = [child.start for child in children if child.start is not None]
    ends = [child.end for child in children if child.end is not None]
    end = max(ends, default=None) if status in FINAL else None
    validation = summarise({seed.number: seed.validation_accuracy for seed in seeds})
    test = summarise({seed.number: seed.test["accuracy"] for seed in seeds if seed.test})
    run = Run(
        key=key,
        name="",  # once all are known
        status=status,
        note=_parent_note(validation, test, children),
        start=min(starts, default=None),
        end=end,
        tags={
            "seeds": ", ".join(str(seed.number) for seed in seeds),
            "code": described["code"],
        },
        params=_flat(experiment),
        data=data_parts(described, tested=test.n > 0),
        # While seeds are still training, means over those that have come far enough would
        # change, and a store keeps every value it was ever given.
        points=_parent_points(seeds, validation, test, end) if status in FINAL else [],
    )
    if test.n and status in FINAL and any(seed.declared for seed in seeds):
        for figure in sorted(paths.figures.glob("*.png")):
            run.artifacts[f"figures/{figure.name}"] = figure.read_bytes()
        run.artifacts["metrics.json"] = paths.metrics.read_bytes()
    return run


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
            for metric in METRICS:
                values = [entry[part][metric] for entry in entries]
                points += _metric(f"{part}/{metric}", math.fsum(values) / len(values), step, time)
    step = len(histories[0]) if histories else 0
    for part, summary in (("validation", validation), ("test", test)):
        if part == "test" and summary.mean is not None:
            points += _metric("test/accuracy", summary.mean, step, end)
        if summary.sd is not None and summary.ci95 is not None:
            points.append(Point(f"{part}/accuracy_sd", summary.sd, step, end))
            points.append(Point(f"{part}/accuracy_ci95_low", summary.ci95[0], step, end))
            points.append(Point(f"{part}/accuracy_ci95_high", summary.ci95[1], step, end))
    points.append(Point("validation/seeds", validation.n, step, end))
    points.append(Point("validation/seeds_failed", validation.declared - validation.n, step, end))
    return points


def _parent_note(validation: Summary, test: Summary, children: list[Run]) -> str:
    lines = [f"Validation accuracy: {validation.percent()}."]
    if test.declared:
        lines.insert(0, f"**Test accuracy: {test.percent()}.**")
    lines.append(f"Curves are means over seeds; limits are the {METHOD}.")
    lines += [
        f"- {child.name}: {child.status.lower()}, {child.tags.get('reason', '')}"
        for child in children
        if child.status != "FINISHED"
    ]
    return "\n\n".join(lines)


# --- both ---


def _flat(experiment: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{section}.{name}": json.dumps(value) if isinstance(value, list) else str(value)
        for section, values in experiment.items()
        for name, value in values.items()
    }


def _dvc_hashes(paths: Paths) -> dict[str, str]:
    """Return DVC's own hash of each raw data folder, as dvc.lock has it."""
    lock = paths.root / "dvc.lock"
    if not lock.exists():
        return {}
    outs = read_yaml(lock).get("stages", {}).get("download", {}).get("outs", [])
    return {str(out["path"]): str(out.get("md5")) for out in outs}


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(1000 * seconds)

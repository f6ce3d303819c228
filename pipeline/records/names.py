"""Readable names that tell configurations apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from pipeline.base.masking import one_line
from pipeline.data import preprocessing
from pipeline.data.catalogue import Data, dataset_of
from pipeline.network.settings import Training
from pipeline.records.record import Finished, Unfinished, shared_by

Experiment = Mapping[str, Mapping[str, Any]]
"""See `pipeline.base.config.experiment`."""


def configuration_names(experiments: Sequence[Experiment]) -> list[str]:
    """Return a name for each: how it differs from the others, such as `raw · lr 0.05`.

    If nothing differs, the names are like `standardise · 784-256-128-10 · sgd 0.1`.
    """
    labels = [_labels(experiment) for experiment in experiments]
    values: dict[str, set[str | None]] = {}
    for place in dict.fromkeys(place for label in labels for place in label):
        values[place] = {label.get(place) for label in labels}
    differing = [place for place in values if len(values[place]) > 1]
    if not differing:
        return [_name(experiment) for experiment in experiments]
    return [" · ".join(label[place] for place in differing if place in label) for label in labels]


def marked(name: str, record: Finished | Unfinished) -> str:
    """Return `name`, with the authors if the record was imported."""
    by = shared_by(record)
    return name if by is None else f"{name} · shared by {one_line(by, 60)}"


def _name(experiment: Experiment) -> str:
    training = experiment["training"]
    dataset = dataset_of(Data(**experiment["data"]))
    sizes = (dataset.features, *experiment["network"]["hidden"], dataset.classes)
    # Settings with a default, such as momentum, are named only if they differ from it.
    used = [
        _label("training", entry.name, training[entry.name])
        for entry in fields(Training)
        if entry.default is not MISSING and training[entry.name] != entry.default
    ]
    descent = " ".join([f"sgd {training['learning_rate']:g}", *used])
    return (
        f"{preprocessing.label(experiment['preprocess'])} · {'-'.join(map(str, sizes))} · {descent}"
    )


def _labels(experiment: Experiment) -> dict[str, str]:
    """Return a label for each setting, by its key."""
    labels = {"preprocess": preprocessing.label(experiment["preprocess"])}
    for section, values in experiment.items():
        for key, value in values.items():
            # Their files tell data sets of one name apart, so classes and shape are left out.
            if section != "preprocess" and key not in ("classes", "shape"):
                labels[f"{section}.{key}"] = _label(section, key, value)
    return labels


def _label(section: str, key: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{key} {min(value.values())[:6]}"
    if isinstance(value, list):
        return "-".join(map(str, value))
    if key == "learning_rate":
        return f"lr {value:g}"
    if section in ("data", "split"):
        key = section if key == "name" else f"{section} {key}"
    name = key.replace("_", " ")
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"

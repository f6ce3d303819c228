"""Names by which a person tells configurations apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.data.catalogue import DATASETS

Experiment = Mapping[str, Mapping[str, Any]]
"""See `pipeline.config.experiment`."""


def configuration_names(experiments: Sequence[Experiment]) -> list[str]:
    """Return a name for each, such as `standardise · 784-256-128-10 · sgd 0.1`.

    Experiments that would have one name also say by what they differ: `· batch_size 50`.
    """
    names = [_name(experiment) for experiment in experiments]
    values: dict[str, dict[tuple[str, str], set[str]]] = {}
    for name, experiment in zip(names, experiments, strict=True):
        for place, value in _values(experiment).items():
            values.setdefault(name, {}).setdefault(place, set()).add(value)
    return [
        name
        + "".join(
            f" · {place[1]} {value}"
            for place, value in _values(experiment).items()
            if len(values[name][place]) > 1
        )
        for name, experiment in zip(names, experiments, strict=True)
    ]


def _name(experiment: Experiment) -> str:
    preprocess, network = experiment["preprocess"], experiment["network"]
    training = experiment["training"]
    dataset = DATASETS[experiment["data"]["name"]]
    method = str(preprocess["method"])
    if method == "standardise" and preprocess["statistics"] != "scalar":
        method += " per feature"
    if method == "whiten":
        method += f" {preprocess['rotation']} {preprocess['epsilon']:g}"
    sizes = "-".join(str(size) for size in (dataset.features, *network["hidden"], dataset.classes))
    descent = f"sgd {training['learning_rate']:g}"
    if training["momentum"]:
        descent += f" momentum {training['momentum']:g}"
    if training["schedule"] != "constant":
        descent += f" {training['schedule']}"
    return f"{method} · {sizes} · {descent}"


def _values(experiment: Experiment) -> dict[tuple[str, str], str]:
    return {
        (section, key): f"{value:g}" if isinstance(value, float) else str(value)
        for section, values in experiment.items()
        for key, value in values.items()
    }

"""Names by which a person tells configurations apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def configuration_name(experiment: Mapping[str, Any], inputs: int, outputs: int) -> str:
    """Return a configuration's name, such as `standardise · 784-256-128-10 · sgd 0.1`.

    Args:
        experiment: see `pipeline.config.experiment`.
        inputs: what the network takes in.
        outputs: what it gives out.
    """
    preprocess, network = experiment["preprocess"], experiment["network"]
    training = experiment["training"]
    method = str(preprocess["method"])
    if method == "standardise" and preprocess["statistics"] != "scalar":
        method += " per feature"
    if method == "whiten":
        method += f" {preprocess['rotation']} {preprocess['epsilon']:g}"
    sizes = "-".join(str(size) for size in (inputs, *network["hidden"], outputs))
    descent = f"sgd {training['learning_rate']:g}"
    if training["momentum"]:
        descent += f" momentum {training['momentum']:g}"
    if training["schedule"] != "constant":
        descent += f" {training['schedule']}"
    return f"{method} · {sizes} · {descent}"

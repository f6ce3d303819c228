"""How closely two trainings of one run agree, and why they may differ.

Levels, the strongest first. They compare contents, not what a record claims about itself:

- the same bytes: equal history and model file, and equal results on the test images;
- within tolerance: numbers of network and preprocessor differ by at most `TOLERANCE` times the
  largest of their array, losses only by rounding, and accuracies by at most one image;
- statistically the same: the two models' accuracies on training, validation and test images differ
  by at most three standard errors of the difference of two proportions, √(2 p (1 − p) / N);
- different. So is a record that contradicts itself: its model does not reach the scores that it
  states, or it states other scores for an epoch although the weights are the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.files import canonical_json, sha256
from pipeline.base.masking import one_line
from pipeline.network.dense import parameters
from pipeline.records.model import Model
from pipeline.records.record import Finished, History, Test

# Relative; far above the rounding of one operation.
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
STANDARD_ERRORS = 3
COMPUTED = ("history.jsonl", "model.npz")

Scores = Mapping[str, Test]
"""Loss and accuracy of a model, by part of the data."""
Sizes = Mapping[str, int]
"""Number of images, by part of the data."""


class Level(Enum):
    """How far two trainings agree; the value is the exit code of `python -m pipeline.verify`."""

    SAME_BYTES = 0
    WITHIN_TOLERANCE = 3
    STATISTICALLY_THE_SAME = 4
    DIFFERENT = 5

    def __str__(self) -> str:
        """Return the level in words."""
        return self.name.lower().replace("_", " ")


def level(recorded: Finished, again: Finished, answers: Scores, answers_again: Scores) -> Level:
    """Return how closely two records agree.

    Args:
        recorded: the record to verify.
        again: the record of training it again.
        answers: scores of the recorded model on training, validation and test images.
        answers_again: scores of the other model.
    """
    sizes: Sizes = recorded.description["experiment"]["split"]
    claimed = claims(recorded)
    # Whether weights are the same after each epoch, and whether all else agrees.
    epochs = [
        (first["weights"] == second["weights"], _epochs_agree(first, second, sizes))
        for first, second in zip(recorded.history, again.history, strict=False)
    ]
    if not _agree(claimed, answers, sizes) or (True, False) in epochs:
        return Level.DIFFERENT
    # Not the description: it names code and libraries, not what they computed.
    same = all(recorded.hashes[name] == again.hashes[name] for name in COMPUTED)
    if same and claimed.get("test") in (None, answers_again["test"]):
        return Level.SAME_BYTES
    if (
        _models_agree(recorded.model(), again.model())
        and len(recorded.history) == len(again.history)
        and all(agree for _, agree in epochs)
        and _agree(answers, answers_again, sizes)
    ):
        return Level.WITHIN_TOLERANCE
    if all(
        differ_by_chance(scores["accuracy"], answers_again[part]["accuracy"], sizes[part])
        for part, scores in answers.items()
    ):
        return Level.STATISTICALLY_THE_SAME
    return Level.DIFFERENT


def claims(record: Finished) -> Scores:
    """Return the scores that a record states for its model; on test images only if it knows."""
    claimed = _scores(record.history[-1])
    return claimed if record.test is None else {**claimed, "test": record.test}


def differ_by_chance(first: float, second: float, images: int) -> bool:
    """Tell whether chance explains the difference of two accuracies on this number of images."""
    share = (first + second) / 2
    # Count at least one wrong image: a share of 1 has a standard error, too.
    share = min(share, 1 - 1 / images)
    error = math.sqrt(2 * share * (1 - share) / images)
    return abs(first - second) <= STANDARD_ERRORS * error


def first_difference(recorded: History, again: History) -> int | None:
    """Return the first epoch after which weights differ, or None."""
    for first, second in zip(recorded, again, strict=False):
        if first["weights"] != second["weights"]:
            return int(first["epoch"])
    return None


def _scores(entry: Mapping[str, Any]) -> dict[str, Test]:
    """Return the scores in an entry of the history."""
    return {part: entry[part] for part in ("train", "validation")}


def _epochs_agree(first: Mapping[str, Any], second: Mapping[str, Any], sizes: Sizes) -> bool:
    rates = (entry["learning_rate"] for entry in (first, second))
    return math.isclose(*rates) and _agree(_scores(first), _scores(second), sizes)


def _agree(first: Scores, second: Scores, sizes: Sizes) -> bool:
    """Tell whether losses agree up to rounding, and all other scores up to one image."""
    return all(
        name in second[part]
        and (
            math.isclose(value, second[part][name], rel_tol=TOLERANCE["float32"])
            if name == "loss"
            else abs(value - second[part][name]) <= 1.001 / sizes[part]
        )
        for part, scores in first.items()
        for name, value in scores.items()
    )


def _models_agree(recorded: Model, again: Model) -> bool:
    first, second = (
        {**model.preprocessor.arrays(), **parameters(model.network)} for model in (recorded, again)
    )
    return first.keys() == second.keys() and all(
        _arrays_agree(first[name], second[name]) for name in first
    )


def _arrays_agree(first: NDArray[Any], second: NDArray[Any]) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    furthest = float(np.abs(first - second).max(initial=0.0))
    return furthest <= TOLERANCE[first.dtype.name] * float(np.abs(first).max(initial=0.0))


def causes(recorded: Finished, again: Finished) -> list[str]:
    """Return what two runs state differently about their making, for a person to read."""
    before, now = _circumstances(recorded), _circumstances(again)
    return [
        f"{one_line(name)}: {one_line(before[name], 60)}, now {one_line(now[name], 60)}"
        for name in before
        if now.get(name, before[name]) != before[name]
    ]


def _circumstances(record: Finished) -> dict[str, Any]:
    """Return what may change a result, by readable names; of long values their hashes."""
    described, origin = record.description, record.origin
    files, arithmetic, experiment = (
        sha256(canonical_json(described[key])) for key in ("data", "arithmetic", "experiment")
    )
    known = {
        "code": described["code"],
        "configuration": experiment,
        "data files": files,
        **described["preparation"],
        "arithmetic, by its version and this machine's results": arithmetic,
        "lock file": origin.get("lock"),
        "CPU": origin.get("cpu"),
        "Python": origin.get("python"),
    }
    # The names in an environment are the record's own; they replace none of these.
    every = {**known, **origin.get("environment", {}), **known}
    return {name: value for name, value in every.items() if value}

"""How closely two trainings of one run agree, and why they may differ.

Levels, the strongest first. They compare contents, not what a record claims about itself:

- the same bytes: equal history and model file, and equal results on the test images;
- within tolerance: numbers of network and preprocessor differ by at most `TOLERANCE` times the
  largest of their array, losses only by rounding, and accuracies by at most one image;
- statistically the same: every accuracy (training and validation in the histories, validation and
  test of the two models) differs by at most three standard errors of the difference of two
  proportions, √(2 p (1 − p) / N);
- different.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.masking import one_line, printable
from pipeline.network.dense import parameters
from pipeline.records.model import Model
from pipeline.records.record import Finished, History, Test

# Relative; far above the rounding of one operation.
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
STANDARD_ERRORS = 3
PARTS = ("train", "validation")
COMPUTED = ("history.jsonl", "model.npz")

Scores = Mapping[str, Test]
"""Loss and accuracy of a model, by part of the data."""


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
        answers: scores of the recorded model on validation and test images.
        answers_again: scores of the other model.
    """
    sizes: dict[str, int] = dict(recorded.description["experiment"]["split"])
    claimed = claims(recorded)
    if not all(_scores_agree(claimed[part], answers[part], sizes[part]) for part in claimed):
        return Level.DIFFERENT  # the model contradicts its own record
    # Not the description: it names code and libraries, not what they computed.
    same = all(recorded.hashes[name] == again.hashes[name] for name in COMPUTED)
    if same and claimed.get("test") in (None, answers_again["test"]):
        return Level.SAME_BYTES
    if (
        _models_agree(recorded.model(), again.model())
        and _histories_agree(recorded.history, again.history, sizes)
        and all(_scores_agree(answers[part], answers_again[part], sizes[part]) for part in answers)
    ):
        return Level.WITHIN_TOLERANCE
    first, second = (
        {f"history {part}": record.history[-1][part]["accuracy"] for part in PARTS}
        | {f"model {part}": scores["accuracy"] for part, scores in scored.items()}
        for record, scored in ((recorded, answers), (again, answers_again))
    )
    return statistical_level(first, second, {key: sizes[key.split()[1]] for key in first})


def claims(record: Finished) -> dict[str, Test]:
    """Return the scores that a record claims, on validation images and, if known, test images."""
    claimed: dict[str, Test] = {"validation": record.history[-1]["validation"]}
    return claimed if record.test is None else {**claimed, "test": record.test}


def statistical_level(
    recorded: Mapping[str, float], again: Mapping[str, float], sizes: Mapping[str, int]
) -> Level:
    """Return `STATISTICALLY_THE_SAME` if chance explains all differences, else `DIFFERENT`.

    Args:
        recorded: accuracies.
        again: accuracies, by the same names.
        sizes: number of images behind each.
    """
    for part, accuracy in recorded.items():
        share, n = (accuracy + again[part]) / 2, sizes[part]
        # Count at least one wrong image: a share of 1 has a standard error, too.
        share = min(share, 1 - 1 / n)
        error = math.sqrt(2 * share * (1 - share) / n) if share >= 0 else 0.0
        if not abs(accuracy - again[part]) <= STANDARD_ERRORS * error:
            return Level.DIFFERENT
    return Level.STATISTICALLY_THE_SAME


def first_difference(recorded: History, again: History) -> int | None:
    """Return the first epoch after which weights differ, or None."""
    for first, second in zip(recorded, again, strict=False):
        if first["weights"] != second["weights"]:
            return int(first["epoch"])
    return None


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


def _histories_agree(recorded: History, again: History, sizes: Mapping[str, int]) -> bool:
    return len(recorded) == len(again) and all(
        _scores_agree(first[part], second[part], sizes[part])
        for first, second in zip(recorded, again, strict=True)
        for part in PARTS
    )


def _scores_agree(first: Test, second: Test, images: int) -> bool:
    """Tell whether losses agree up to rounding, and accuracies up to one image."""
    return (
        math.isclose(first["loss"], second["loss"], rel_tol=TOLERANCE["float32"])
        and abs(first["accuracy"] - second["accuracy"]) <= 1.001 / images
    )


def causes(
    recorded: Mapping[str, Any],
    again: Mapping[str, Any],
    recorded_origin: Mapping[str, Any],
    again_origin: Mapping[str, Any],
) -> list[str]:
    """Return what differs between two runs' descriptions and origins, for a person to read."""
    codes = (printable(run["code"][:12]) for run in (recorded, again))
    texts = {
        "code": "code: {}, now {}".format(*codes),
        "data": "data: files with other hashes",
        "experiment": "configuration",
        "arithmetic": "arithmetic: another version, or the machines compute differently",
    }
    known = {"lock file": "lock", "CPU": "cpu", "Python": "python"}
    before, now = (
        {
            **run["preparation"],
            **{name: origin[key] for name, key in known.items() if origin.get(key)},
            **origin.get("environment", {}),
        }
        for run, origin in ((recorded, recorded_origin), (again, again_origin))
    )
    return [
        *(text for key, text in texts.items() if recorded[key] != again[key]),
        *(
            f"{one_line(name)}: {one_line(before[name], 60)}, now {one_line(now[name], 60)}"
            for name in before
            if now.get(name, before[name]) != before[name]
        ),
    ]

"""How far two trainings of one run agree, and what could have made them differ.

Levels, the strongest first:

- the same bytes: every file that a manifest names;
- within tolerance: every weight within `TOLERANCE` of its array's largest, losses too, and no
  accuracy further off than one image;
- statistically the same: the last training and validation accuracies differ by less than three
  standard errors of the difference of two shares, √(2 p (1 − p) / N);
- different.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from pipeline.records.environment import blas_name
from pipeline.records.model import network_arrays
from pipeline.records.record import History, Record

# Relative; some thousand times the rounding of one operation.
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
STANDARD_ERRORS = 3
PARTS = ("train", "validation")


class Level(Enum):
    """How far two trainings agree; the value is the exit code of `python -m pipeline.verify`."""

    SAME_BYTES = 0
    WITHIN_TOLERANCE = 3
    STATISTICALLY_THE_SAME = 4
    DIFFERENT = 5

    def __str__(self) -> str:
        """Return it as a person says it."""
        return self.name.lower().replace("_", " ")


def level(recorded: Record, again: Record) -> Level:
    """Return how far two complete records agree."""
    if recorded.manifest_digest() == again.manifest_digest():
        return Level.SAME_BYTES
    sizes = {part: recorded.description["experiment"]["split"][part] for part in PARTS}
    histories = recorded.history(), again.history()
    if _weights_agree(recorded, again) and _histories_agree(*histories, sizes):
        return Level.WITHIN_TOLERANCE
    accuracies = [{part: history[-1][part]["accuracy"] for part in PARTS} for history in histories]
    return statistical_level(accuracies[0], accuracies[1], sizes)


def statistical_level(
    recorded: Mapping[str, float], again: Mapping[str, float], sizes: Mapping[str, int]
) -> Level:
    """Return whether accuracies differ by no more than chance would have it.

    Args:
        recorded: accuracy by part.
        again: accuracy by part.
        sizes: number of images by part.
    """
    for part, accuracy in recorded.items():
        share, n = (accuracy + again[part]) / 2, sizes[part]
        # Of at least one wrong image: a share of 1 has a standard error, too.
        share = min(share, 1 - 1 / n)
        error = math.sqrt(2 * share * (1 - share) / n)
        if not abs(accuracy - again[part]) <= STANDARD_ERRORS * error:
            return Level.DIFFERENT
    return Level.STATISTICALLY_THE_SAME


def _weights_agree(recorded: Record, again: Record) -> bool:
    first, second = (network_arrays(record.model().network) for record in (recorded, again))
    for name, array in first.items():
        other = second.get(name)
        if other is None or other.shape != array.shape or other.dtype != array.dtype:
            return False
        if array.dtype.kind != "f":
            if not np.array_equal(array, other):
                return False
            continue
        furthest = float(np.abs(array - other).max(initial=0.0))
        if not furthest <= TOLERANCE[array.dtype.name] * float(np.abs(array).max(initial=0.0)):
            return False
    return first.keys() == second.keys()


def _histories_agree(recorded: History, again: History, sizes: Mapping[str, int]) -> bool:
    if len(recorded) != len(again):
        return False
    return all(
        math.isclose(a[part]["loss"], b[part]["loss"], rel_tol=TOLERANCE["float32"])
        and abs(a[part]["accuracy"] - b[part]["accuracy"]) <= 1.001 / sizes[part]
        for a, b in zip(recorded, again, strict=True)
        for part in PARTS
    )


def causes(
    recorded: Mapping[str, Any],
    again: Mapping[str, Any],
    recorded_origin: Mapping[str, Any],
    again_origin: Mapping[str, Any],
) -> list[str]:
    """Return what differs between two runs' descriptions and origins, for a person to read."""
    found = []
    if recorded["code"] != again["code"]:
        found.append(f"numerical code: {recorded['code'][:12]}, now {again['code'][:12]}")
    if recorded["data"] != again["data"]:
        found.append("data: files with other hashes")
    if recorded["experiment"] != again["experiment"]:
        found.append("configuration")
    found += _environment_causes(recorded["environment"], again["environment"])
    for name, words in (("lock", "lock file"), ("cpu", "CPU"), ("python", "Python")):
        before, now = recorded_origin.get(name), again_origin.get(name)
        if before is not None and now is not None and before != now:
            found.append(f"{words}: {str(before)[:40]}, now {str(now)[:40]}")
    return found


def _environment_causes(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    found = []
    for library, name in (("NumPy", "numpy"), ("SciPy", "scipy")):
        # Records from before SciPy took part name none.
        before, now = recorded.get(name), again.get(name)
        if before != now:
            found.append(f"{library}: {before}, now {now}")
    if recorded["simd"] != again["simd"]:
        extensions = (" ".join(environment["simd"]) for environment in (recorded, again))
        found.append("NumPy's SIMD extensions: {}, now {}".format(*extensions))
    if recorded["blas"] != again["blas"]:
        found.append(f"BLAS: {blas_name(recorded)}, now {blas_name(again)}")
    return found

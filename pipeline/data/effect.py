"""Statistics of the inputs that preprocessing makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.preprocessing import BLOCK, AffineMap, Fitted, covariance

# Larger inputs give a warning: initialisers assume a standard normal distribution.
LARGE_INPUT = 100.0


def effect(fitted: Fitted, parts: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return statistics of each part's inputs, and what preprocessing left out.

    Mean, variance and largest absolute value are taken over all examples and features of a part.

    Args:
        fitted: the preprocessor.
        parts: raw examples of shape (N, n), by name; "train" is one of them.
    """
    matrix = fitted.map.matrix
    described = {name: _moments(fitted.map, raw) for name, raw in parts.items()}
    return {
        "inputs": (parts["train"] if matrix is None else matrix).shape[1],
        "constant_pixels": fitted.constant,
        "null_directions": fitted.null,
        "null_floor": fitted.floor,
        "weakest_deviation": fitted.weakest,
        "parts": described,
        "warnings": _warnings(fitted, described),
    }


def _moments(fitted: AffineMap, raw: NDArray[Any]) -> dict[str, float]:
    total, squares, largest, count = 0.0, 0.0, 0.0, 0
    for start in range(0, len(raw), BLOCK):
        inputs = fitted.apply(raw[start : start + BLOCK])
        total += float(inputs.sum())
        squares += float(np.sum(inputs * inputs))
        largest = max(largest, float(np.abs(inputs).max()))
        count += inputs.size
    mean = total / count
    return {"mean": mean, "variance": squares / count - mean**2, "largest": largest}


def distance_from_white(fitted: AffineMap, raw: NDArray[Any]) -> float:
    """Return ‖C − I‖ / √k of the covariance C of the k inputs that raw examples, (N, n), become.

    The norm is Frobenius'; 0 is perfectly white. A map with matrix A turns C into Aᵀ C A exactly.
    """
    C = covariance(raw)
    scale = np.broadcast_to(fitted.scale, C.shape[:1])
    C = scale[:, np.newaxis] * C * scale
    if fitted.matrix is not None:
        C = fitted.matrix.T @ C @ fitted.matrix
    k = len(C)
    return float(np.linalg.norm(C - np.eye(k)) / np.sqrt(k))


def _warnings(fitted: Fitted, parts: Mapping[str, Mapping[str, float]]) -> list[str]:
    warnings = []
    per_feature = fitted.map.scale.ndim > 0 or fitted.map.matrix is not None
    if per_feature and fitted.constant:
        warnings.append(
            f"{fitted.constant} features never change in the training examples; they are centred "
            "and left undivided"
        )
    if fitted.null:
        warnings.append(
            f"{fitted.null} directions have a variance of at most {fitted.floor:.1e}; they are "
            "left out"
        )
    for name, part in parts.items():
        if part["largest"] > LARGE_INPUT:
            warnings.append(f"the largest input in the {name} part is {part['largest']:.3g}")
    return warnings

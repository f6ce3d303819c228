"""What preprocessing did to the data, in numbers.

Convention: moments are over all images and features of a part, in the units of the network's
inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.preprocessing import BLOCK, AffineMap, Fitted, covariance

# Inputs beyond this are far outside what initialisers assume (a standard normal distribution).
LARGE_INPUT = 100.0


def effect(fitted: Fitted, parts: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
    """Return mean, variance and largest absolute value of each part, and what was left out.

    Args:
        fitted: the preprocessor.
        parts: raw pixels of shape (N, n), by name; "train" is one of them.
    """
    described = {name: _moments_of_all(fitted.map, pixels) for name, pixels in parts.items()}
    found: dict[str, Any] = {
        "inputs": _width(fitted.map, parts["train"]),
        "constant_pixels": fitted.constant,
        "null_directions": fitted.null,
        "null_floor": fitted.floor,
        "weakest_deviation": fitted.weakest,
        "covariance_distance_from_identity": _distance_from_identity(fitted.map, parts["train"]),
        "parts": described,
    }
    found["warnings"] = _warnings(fitted, described)
    return found


def _width(preprocessor: AffineMap, pixels: NDArray[np.uint8]) -> int:
    matrix = preprocessor.matrix
    return pixels.shape[1] if matrix is None else matrix.shape[1]


def _moments_of_all(preprocessor: AffineMap, pixels: NDArray[np.uint8]) -> dict[str, float]:
    total, squares, largest, count = 0.0, 0.0, 0.0, 0
    for start in range(0, len(pixels), BLOCK):
        inputs = preprocessor.apply(pixels[start : start + BLOCK])
        total += float(inputs.sum())
        squares += float(np.sum(inputs * inputs))
        largest = max(largest, float(np.abs(inputs).max()))
        count += inputs.size
    mean = total / count
    return {"mean": mean, "variance": squares / count - mean**2, "largest": largest}


def _distance_from_identity(preprocessor: AffineMap, pixels: NDArray[np.uint8]) -> float:
    """Return ‖C − I‖ / √k in the Frobenius norm, of the inputs' training covariance C.

    0 is perfectly white. A covariance follows an affine map exactly: C ↦ Aᵀ C A.
    """
    C = covariance(pixels)
    scale = np.broadcast_to(preprocessor.scale, C.shape[:1])
    C = scale[:, np.newaxis] * C * scale
    if preprocessor.matrix is not None:
        C = preprocessor.matrix.T @ C @ preprocessor.matrix
    k = len(C)
    return float(np.linalg.norm(C - np.eye(k)) / np.sqrt(k))


def _warnings(fitted: Fitted, parts: Mapping[str, Mapping[str, float]]) -> list[str]:
    warnings = []
    per_feature = fitted.map.scale.ndim > 0 or fitted.map.matrix is not None
    if per_feature and fitted.constant:
        warnings.append(
            f"{fitted.constant} pixels never change in the training images; they are centred and "
            "left undivided"
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

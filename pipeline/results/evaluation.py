"""The test images, once, with every seed's model.

Convention: a seed that failed has None wherever its numbers would stand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.descent import mean_cost, outputs
from pipeline.records.model import Model


class Answers(NamedTuple):
    """What one model makes of the test images.

    Attributes:
        accuracy: share of images whose largest output is the right one.
        loss: mean cost.
        predicted: the class of the largest output, shape (N,).
        margin: largest output minus the second largest, shape (N,).
        confidence: largest output, shape (N,).
    """

    accuracy: float
    loss: float
    predicted: NDArray[np.int64]
    margin: NDArray[np.floating[Any]]
    confidence: NDArray[np.floating[Any]]


def evaluate(
    model: Model, pixels: NDArray[np.uint8], one_hot: NDArray[np.uint8], cost: str
) -> Answers:
    """Evaluate a model on raw test images.

    Args:
        model: preprocessor and network.
        pixels: shape (N, n).
        one_hot: labels, shape (N, m).
        cost: a name in `pipeline.network.costs.COSTS`.
    """
    H_bar = model.pre_activations(pixels)
    activation = model.network.activations[-1]
    ordered = np.sort(outputs(H_bar, activation), axis=1)
    predicted = H_bar.argmax(axis=1)
    return Answers(
        accuracy=float(np.mean(predicted == one_hot.argmax(axis=1))),
        loss=mean_cost(H_bar, one_hot, cost, activation),
        predicted=predicted,
        margin=ordered[:, -1] - ordered[:, -2],
        confidence=ordered[:, -1],
    )


class Calibration(NamedTuple):
    """How often a network is right where it is so and so sure.

    Attributes:
        confidence: mean of each bin that holds an image, shape (k,).
        accuracy: share of right answers of each, shape (k,).
        error: expected calibration error: the mean distance of the two, over all images.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: float


def calibration(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = 10
) -> Calibration:
    """Return the reliability diagram of one network (Guo et al. 2017, arXiv:1706.04599, (3)).

    Args:
        confidence: in [0, 1], shape (N,).
        right: shape (N,).
        bins: of equal width.
    """
    numbers = np.clip((confidence * bins).astype(int), 0, bins - 1)
    counts = np.bincount(numbers, minlength=bins)
    sums = np.bincount(numbers, confidence, bins), np.bincount(numbers, right, bins)
    filled = counts > 0
    mean, share = (total[filled] / counts[filled] for total in sums)
    error = float(np.sum(counts[filled] * np.abs(mean - share)) / len(confidence))
    return Calibration(mean, share, error)

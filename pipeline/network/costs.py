"""Cost functions and their gradients at the last layer's pre-activation.

Convention: a cost is summed over the outputs of a sample, as on the slides, and averaged over the
batch. A cost function returns the summand of each output. Its gradient is δH_bar, which (5) and (6)
call f'(h_bar) ⊙ Δ, not yet divided by b. Both take the last layer's pre-activations H_bar, labels Y
and the last layer's activation; H_bar, Y and results have shape (b, m).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from pipeline.network.activations import SINGLE, Activation, Array, sigmoid, softmax


def squared_error(H_bar: Array, Y: Array, activation: Activation) -> Array:
    """Return ½ (y − h)², the summand of equation (3)."""
    difference = Y - activation.function(H_bar)
    return 0.5 * (difference * difference)


def squared_error_gradient(H_bar: Array, Y: Array, activation: Activation) -> Array:
    """Return f'(h_bar) ⊙ Δ with Δ = h − y, equations (4) and (8)."""
    H = activation.function(H_bar)
    return activation.derivative(H) * (H - Y)


def cross_entropy_of_outputs(O: Array, Y: Array) -> Array:  # noqa: E741 - the slide's symbol
    """Return −[y ln o + (1 − y) ln(1 − o)] of every output, the summand of (18).

    As printed on the slide, for outputs 0 < o < 1. Training uses `cross_entropy`, which
    takes pre-activations instead and stays finite when an output rounds to 0 or 1.
    """
    return -(Y * np.log(O) + (1 - Y) * np.log1p(-O))


def cross_entropy(H_bar: Array, Y: Array, activation: Activation) -> Array:
    """Return the summand of the cross-entropy (18), of outputs σ(H_bar).

    With o = σ(x), −ln o = ln(1 + e^−x) and −ln(1 − o) = x + ln(1 + e^−x), so that
    −[y ln o + (1 − y) ln(1 − o)] = max(x, 0) − x y + ln(1 + e^−|x|), which cannot overflow.
    """
    return np.maximum(H_bar, 0) - H_bar * Y + np.log1p(np.exp(-np.abs(H_bar)))


def cross_entropy_gradient(H_bar: Array, Y: Array, activation: Activation) -> Array:
    """Return σ(h_bar) − y, equation (19).

    This gradient at the pre-activation already contains σ': do not multiply it by f' of (5).
    """
    return sigmoid(H_bar) - Y


def categorical_cross_entropy(H_bar: Array, Y: Array, activation: Activation) -> Array:
    """Return −y_k ln o_k of outputs o = softmax(H_bar): Bishop, 2006, equation (4.108).

    With m = max_j x_j, −ln o_k = ln Σ_j e^(x_j − m) − (x_k − m), which stays finite when an output
    rounds to 0.
    """
    shifted = H_bar - np.max(H_bar, axis=-1, keepdims=True)
    return Y * (np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)) - shifted)


def categorical_cross_entropy_gradient(H_bar: Array, Y: Array, activation: Activation) -> Array:
    """Return softmax(h_bar) − y: Bishop, 2006, equation (4.109)."""
    return softmax(H_bar) - Y


class Cost(NamedTuple):
    """A cost function.

    Attributes:
        value: returns its summands.
        gradient: returns its gradient δH_bar at the last pre-activation.
        outputs: names of the last layer's activations that it is defined for.
    """

    value: Callable[[Array, Array, Activation], Array]
    gradient: Callable[[Array, Array, Activation], Array]
    outputs: Collection[str]


def mean_cost(H_bar: Array, Y: Array, cost: str, activation: Activation) -> float:
    """Return the cost, summed over outputs, averaged over samples, in float64."""
    summands = COSTS[cost].value(H_bar, Y, activation)
    return float(np.sum(summands, dtype=np.float64) / len(H_bar))


COSTS = {
    "cross_entropy": Cost(cross_entropy, cross_entropy_gradient, ["sigmoid"]),
    "squared_error": Cost(squared_error, squared_error_gradient, SINGLE),
    "categorical_cross_entropy": Cost(
        categorical_cross_entropy, categorical_cross_entropy_gradient, ["softmax"]
    ),
}

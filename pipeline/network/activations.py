"""Activation functions f and their derivatives f', each beside the other.

Convention: both take the pre-activation H_bar of any shape and return an array of that shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def sigmoid(H_bar: Array) -> Array:
    """Return σ(x) = 1 / (1 + e^−x), the lecture's first activation function."""
    decay = np.exp(-np.abs(H_bar))  # exp(-|x|) cannot overflow
    return np.where(H_bar >= 0, 1, decay) / (1 + decay)


def sigmoid_derivative(H_bar: Array) -> Array:
    """Return σ'(x) = σ(x) (1 − σ(x)), equation (13)."""
    return sigmoid(H_bar) * sigmoid(-H_bar)  # 1 − σ(x) = σ(−x), without cancellation


def relu(H_bar: Array) -> Array:
    """Return ReLU(x) = max(0, x), the lecture's second activation function."""
    return np.maximum(H_bar, 0)


def relu_derivative(H_bar: Array) -> Array:
    """Return ReLU'(x) = H(x), equation (14): the Heaviside step, here with H(0) = 0."""
    return (H_bar > 0).astype(H_bar.dtype)


def identity(H_bar: Array) -> Array:
    """Return x: the output layer of (16) has no activation function."""
    return H_bar


def identity_derivative(H_bar: Array) -> Array:
    """Return 1."""
    return np.ones_like(H_bar)


class Activation(NamedTuple):
    """A function f and its derivative f', both of the pre-activation."""

    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


ACTIVATIONS = {
    "relu": Activation(relu, relu_derivative),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "identity": Activation(identity, identity_derivative),
}

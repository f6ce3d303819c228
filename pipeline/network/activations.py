"""Activation functions f and their derivatives f'.

Convention: f takes the pre-activation H_bar, f' takes the output H = f(H_bar); arguments and
results have shape (b, m). The engine compiles these formulas, operation by operation.
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


def sigmoid_derivative(H: Array) -> Array:
    """Return σ'(x) = σ(x) (1 − σ(x)), equation (13)."""
    return H * (1 - H)


def relu(H_bar: Array) -> Array:
    """Return ReLU(x) = max(0, x), the lecture's second activation function."""
    return np.maximum(H_bar, 0)


def relu_derivative(H: Array) -> Array:
    """Return ReLU'(x) = H(x), equation (14): the Heaviside step, here with H(0) = 0."""
    return (H > 0).astype(H.dtype)


def tanh(H_bar: Array) -> Array:
    """Return the hyperbolic tangent, (e^x − e^−x) / (e^x + e^−x)."""
    return np.tanh(H_bar)


def tanh_derivative(H: Array) -> Array:
    """Return tanh'(x) = 1 − tanh²(x): Bishop, Pattern Recognition, 2006, equation (5.60)."""
    return 1 - H * H


def identity(H_bar: Array) -> Array:
    """Return x: the output layer of (16) has no activation function."""
    return H_bar


def identity_derivative(H: Array) -> Array:
    """Return 1."""
    return np.ones_like(H)


def softmax(H_bar: Array) -> Array:
    """Return e^(x_k) / Σ_j e^(x_j), row by row: Bishop, 2006, equation (4.104)."""
    powers = np.exp(H_bar - np.max(H_bar, axis=-1, keepdims=True))  # 1 at most: no overflow
    return powers / np.sum(powers, axis=-1, keepdims=True)


def none(H: Array) -> Array:
    """Raise: f has no derivative of this form, since each output depends on its whole row."""
    raise NotImplementedError


class Activation(NamedTuple):
    """An activation function.

    Attributes:
        function: f, of the pre-activation.
        derivative: f', of the output; `none` if only the last layer can have f.
        javascript: f in JavaScript, of a pre-activation `x` or of its whole layer's, `row`.
        javascript_derivative: f' in JavaScript, of an output `h`.
        probabilities: whether a layer's outputs are positive and add up to 1.
    """

    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    javascript: str
    javascript_derivative: str = ""
    probabilities: bool = False


ACTIVATIONS = {
    "relu": Activation(relu, relu_derivative, "Math.max(x, 0)", "h > 0 ? 1 : 0"),
    "sigmoid": Activation(sigmoid, sigmoid_derivative, "1 / (1 + Math.exp(-x))", "h * (1 - h)"),
    "tanh": Activation(tanh, tanh_derivative, "Math.tanh(x)", "1 - h * h"),
    "identity": Activation(identity, identity_derivative, "x", "1"),
    "softmax": Activation(
        softmax,
        none,
        "1 / row.reduce((sum, y) => sum + Math.exp(y - x), 0)",
        probabilities=True,
    ),
}

# Elementwise functions, which hidden layers and the squared error need.
SINGLE = {name: f for name, f in ACTIVATIONS.items() if f.derivative is not none}

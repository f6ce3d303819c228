"""Evaluate single perceptrons and arrays of them on a plane of inputs.

Convention: one sample at a time, as on the slide: w and x have shape (n,).
"""

from __future__ import annotations

import numpy as np

from pipeline.network.activations import ACTIVATIONS, Array
from pipeline.network.dense import Layer, Network, forward


def perceptron(w: Array, x: Array, b: float, activation: str) -> float:
    """Return h = f(wᵀ x + b), equation (1).

    Args:
        w: weights, shape (n,).
        x: inputs, shape (n,).
        b: bias.
        activation: f; a name in `ACTIVATIONS`.
    """
    return float(ACTIVATIONS[activation].function(w @ x + b))


# The values of each input in a grid. Outputs over it are h[neuron, index of x₂, index of x₁].
AXIS = np.linspace(-4, 4, 81)
# Example weights: the boundaries wᵀx + b = 0 differ in direction and distance.
WEIGHTS = np.array([[1.0, 2.0], [-2.0, 1.0], [1.5, -1.5]])
BIASES = np.array([-1.0, 0.0, 2.0])


def single(activation: str) -> Array:
    """Return the outputs of a perceptron (1) of two inputs at every point of a grid."""
    outputs = [
        [perceptron(WEIGHTS[0], np.array([x1, x2]), float(BIASES[0]), activation) for x1 in AXIS]
        for x2 in AXIS
    ]
    return np.array([outputs])


def array(activation: str) -> Array:
    """Return the outputs of three perceptrons (2), evaluated on the whole grid at once."""
    x1, x2 = np.meshgrid(AXIS, AXIS)
    X = np.column_stack([x1.ravel(), x2.ravel()])
    H = forward(Network((Layer(WEIGHTS, BIASES),), (activation,)), X).outputs
    return H.T.reshape(-1, len(AXIS), len(AXIS))

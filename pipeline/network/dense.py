"""Dense layers, stacked: the forward pass (2) and the backward pass (5), (6).

This is the readable version and the reference. `pipeline.engine` computes the same, compiled; tests
compare the two.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from pipeline.network.activations import ACTIVATIONS, SINGLE, Array
from pipeline.network.costs import COSTS, mean_cost
from pipeline.network.initialisers import BIAS_INITIALISERS, WEIGHT_INITIALISERS
from pipeline.network.settings import Architecture


class Layer(NamedTuple):
    """Weights W of shape (m, n) and biases b of shape (m,), or their gradients."""

    W: Array
    b: Array


class Network(NamedTuple):
    """Layers, first to last, and the names of their activation functions."""

    layers: tuple[Layer, ...]
    activations: tuple[str, ...]


class Forward(NamedTuple):
    """The results of a forward pass.

    `inputs[l]` of shape (b, n) are the inputs of layer l, `pre_activations[l]` of shape (b, m) its
    H_bar (2); `outputs` of shape (b, m) are those of the last layer.
    """

    inputs: list[Array]
    pre_activations: list[Array]
    outputs: Array


class Backward(NamedTuple):
    """The results of a backward pass, first layer to last.

    `gradients[l]` are δW and δb of layer l; `deltas[l]` of shape (b, m) is its δH_bar;
    `inputs` of shape (b, n) is δX of the first layer.
    """

    gradients: tuple[Layer, ...]
    deltas: list[Array]
    inputs: Array


def initialise(
    architecture: Architecture,
    inputs: int,
    outputs: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float64,
) -> Network:
    """Return a network with random weights.

    Args:
        architecture: its hidden layers, activations and initialisers.
        inputs: number of inputs.
        outputs: number of outputs.
        rng: draws layer by layer, weights before biases, in float64 for any `dtype`.
        dtype: of all parameters.
    """
    draw_W = WEIGHT_INITIALISERS[architecture.weights]
    draw_b = BIAS_INITIALISERS[architecture.biases]
    layers = []
    for n, m in itertools.pairwise([inputs, *architecture.hidden, outputs]):
        W = draw_W(m, n, rng, architecture.weight_limit).astype(dtype)
        layers.append(Layer(W, draw_b(m, n, rng).astype(dtype)))
    hidden = (architecture.activation,) * len(architecture.hidden)
    return Network(tuple(layers), (*hidden, architecture.output))


def dense(layer: Layer, X: Array) -> Array:
    """Return H_bar = X Wᵀ + b of shape (b, m), for inputs X of shape (b, n).

    Equation (2), repeated in the derivation of the gradients as (9) and (11).
    """
    return X @ layer.W.T + layer.b


def dense_gradients(layer: Layer, X: Array, delta: Array) -> tuple[Layer, Array]:
    """Return the gradients of a dense layer, equations (5) and (6), derived as (10) and (12).

    Args:
        layer: the layer's parameters.
        X: its inputs, shape (b, n).
        delta: δH_bar = f'(H_bar) ⊙ Δ, shape (b, m).

    Returns:
        δW = δH_barᵀ X of shape (m, n) with δb of shape (m,), both summed over the batch; and
        δX = δH_bar W of shape (b, n). On the slide, (10) has the transpose on the bracket;
        (5) is right, and this is (5) for rows.
    """
    return Layer(delta.T @ X, delta.sum(axis=0)), delta @ layer.W


def forward(network: Network, X: Array) -> Forward:
    """Run inputs X of shape (b, n) through all layers: (2), then H = f(H_bar), equation (7).

    The slide has h_bar = f(h_bar) for (7); it means h on the left.
    """
    inputs, pre_activations = [], []
    for layer, name in zip(network.layers, network.activations, strict=True):
        inputs.append(X)
        H_bar = dense(layer, X)
        pre_activations.append(H_bar)
        X = ACTIVATIONS[name].function(H_bar)
    return Forward(inputs, pre_activations, X)


def backward(network: Network, passed: Forward, delta: Array) -> Backward:
    """Propagate a gradient from the last layer to the first, by (5), (6) and (8).

    Args:
        network: the network that `passed` came from.
        passed: the forward pass.
        delta: δH_bar of the last layer, shape (b, m); see `pipeline.network.costs`.
    """
    gradients, deltas = [], []
    for index in reversed(range(len(network.layers))):
        gradient, delta_X = dense_gradients(network.layers[index], passed.inputs[index], delta)
        gradients.append(gradient)
        deltas.append(delta)
        if index:
            derivative = SINGLE[network.activations[index - 1]].derivative
            delta = derivative(passed.inputs[index]) * delta_X  # (8)
    return Backward(tuple(reversed(gradients)), deltas[::-1], delta_X)


def cost_and_gradients(
    network: Network, X: Array, Y: Array, cost: str
) -> tuple[float, tuple[Layer, ...]]:
    """Return the mean cost over a batch and its gradients.

    Args:
        network: the network.
        X: inputs, shape (b, n).
        Y: labels, shape (b, m).
        cost: a name in `COSTS`.
    """
    passed = forward(network, X)
    f, H_bar = ACTIVATIONS[network.activations[-1]], passed.pre_activations[-1]
    value = mean_cost(H_bar, Y, cost, f)
    delta = COSTS[cost].gradient(H_bar, Y, f) / H_bar.dtype.type(len(X))
    return value, backward(network, passed, delta).gradients


def parameters(network: Network) -> dict[str, np.ndarray[Any, Any]]:
    """Return the parameters by their names in a model file: W1, b1, W2, ..."""
    named = {}
    for number, layer in enumerate(network.layers, start=1):
        named[f"W{number}"], named[f"b{number}"] = layer.W, layer.b
    return named

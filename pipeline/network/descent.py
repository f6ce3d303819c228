"""Gradient descent (17), plain and with momentum, and the schedules of its step size.

Convention: epochs are counted from 1; a schedule's factor multiplies the first step size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.network.dense import Layer, Network, cost_and_gradients
from pipeline.network.evaluation import Examples


def constant(epoch: int, epochs: int) -> float:
    """Return 1."""
    return 1.0


def halving(epoch: int, epochs: int) -> float:
    """Return 2^−(epoch − 1): the step size halves after each epoch."""
    return 0.5 ** (epoch - 1)


def cosine(epoch: int, epochs: int) -> float:
    """Return ½ (1 + cos(π (epoch − 1) / epochs)): Loshchilov and Hutter, SGDR, 2017, (5)."""
    # Rounded, since mathematical libraries differ in a cosine's last digit.
    return round(0.5 * (1 + math.cos(math.pi * (epoch - 1) / epochs)), 12)


SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": constant,
    "halving": halving,
    "cosine": cosine,
}


def descend(
    network: Network,
    gradients: tuple[Layer, ...],
    *,
    learning_rate: float,
    momentum: float = 0.0,
    velocity: tuple[Layer, ...] | None = None,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take one step of gradient descent.

    W ← W − ε δW, equation (17); its slide prints a plus, descent needs the minus. With momentum
    μ the step is V ← μ V − ε δW, W ← W + V (Polyak 1964), which is (17) for μ = 0.

    Args:
        network: the network at time τ.
        gradients: one `Layer` a layer, of the mean cost over a batch.
        learning_rate: ε.
        momentum: μ, 0 ≤ μ < 1.
        velocity: V of the step before; None is zero.

    Returns:
        The network at time τ + 1, and its velocity.
    """
    previous = velocity or tuple(Layer(0 * layer.W, 0 * layer.b) for layer in network.layers)
    steps = tuple(
        Layer(momentum * V.W - learning_rate * g.W, momentum * V.b - learning_rate * g.b)
        for V, g in zip(previous, gradients, strict=True)
    )
    layers = tuple(
        Layer(layer.W + V.W, layer.b + V.b) for layer, V in zip(network.layers, steps, strict=True)
    )
    return Network(layers, network.activations), steps


def epoch(
    network: Network,
    velocity: tuple[Layer, ...] | None,
    examples: Examples,
    batches: Iterable[NDArray[np.int64]],
    *,
    cost: str,
    learning_rate: float,
    momentum: float,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take a step along the gradients of each batch.

    Args:
        network: the network at the epoch's start.
        velocity: V of the step before; None or nothing is zero.
        examples: what gradients are taken of.
        batches: which of them, in which order; as many as there are taken.
        cost: a name in `pipeline.network.costs.COSTS`.
        learning_rate: ε.
        momentum: μ.

    Returns:
        The network at its end, and its velocity: nothing if there is no momentum.
    """
    for batch in batches:
        _, gradients = cost_and_gradients(network, examples.X[batch], examples.Y[batch], cost)
        network, velocity = descend(
            network,
            gradients,
            learning_rate=learning_rate,
            momentum=momentum,
            velocity=velocity,
        )
    return network, (velocity or ()) if momentum else ()

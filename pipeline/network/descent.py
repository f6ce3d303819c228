"""Gradient descent (17): plain, with momentum, with weight decay."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.network.dense import Layer, Network, cost_and_gradients
from pipeline.network.evaluation import Examples
from pipeline.network.settings import Training


def decayed(
    network: Network, gradients: tuple[Layer, ...], weight_decay: float
) -> tuple[Layer, ...]:
    """Return the gradients of the cost + λ/2 Σ W², which are δW + λ W and δb.

    Goodfellow, Bengio, Courville, Deep Learning, 2016, equation (7.3). Biases do not decay.

    Args:
        network: the network.
        gradients: of the cost, one `Layer` per layer.
        weight_decay: λ ≥ 0.
    """
    pairs = zip(network.layers, gradients, strict=True)
    return tuple(Layer(g.W + weight_decay * layer.W, g.b) for layer, g in pairs)


def descend(
    network: Network,
    gradients: tuple[Layer, ...],
    *,
    learning_rate: float,
    momentum: float = 0.0,
    velocity: tuple[Layer, ...] | None = None,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take one step of gradient descent.

    W ← W − ε δW, equation (17); the slide has a plus, but descent needs the minus. With momentum
    μ the step is V ← μ V − ε δW, W ← W + V (Polyak 1964), which is (17) for μ = 0.

    Args:
        network: the network at time τ.
        gradients: one `Layer` per layer, of the mean cost over a batch.
        learning_rate: ε.
        momentum: μ, 0 ≤ μ < 1.
        velocity: V of the previous step; None means zero.

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
    training: Training,
    learning_rate: float,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take one step of gradient descent per batch.

    Args:
        network: the network at the epoch's start.
        velocity: V of the previous step; None and () mean zero.
        examples: the training examples.
        batches: indices of the examples of each batch.
        training: cost, momentum and weight decay.
        learning_rate: ε of this epoch.

    Returns:
        The network at the epoch's end, and its velocity: () without momentum.
    """
    for batch in batches:
        _, gradients = cost_and_gradients(
            network, examples.X[batch], examples.Y[batch], training.cost
        )
        network, velocity = descend(
            network,
            decayed(network, gradients, training.weight_decay),
            learning_rate=learning_rate,
            momentum=training.momentum,
            velocity=velocity,
        )
    return network, (velocity or ()) if training.momentum else ()

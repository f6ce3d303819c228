"""Denoise a cosine with the lecture's network of one hidden layer, (15) to (17).

Convention: a signal is a batch of one, shape (1, n), as `pipeline.network` expects.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.network.activations import Array
from pipeline.network.dense import Network, cost_and_gradients, forward, initialise
from pipeline.network.descent import descend
from pipeline.network.randomness import generator
from pipeline.network.settings import Architecture

# From the slide.
N = 200
NOISE = 0.1
WEIGHT_LIMIT = 0.1
STEPS = 500
# Not on the slide. Chosen from the settings in `pipeline.lecture.studies`: a small network, and a
# step size in the middle of the range that works.
CHOSEN_HIDDEN = 10
CHOSEN_LEARNING_RATE = 0.01
SEEDS = tuple(range(10))
FRESH = 100  # noisy signals that a network was not trained on


def cosine() -> tuple[Array, Array]:
    """Return 200 equidistant points of [−3π, 3π] and their cosines, both of shape (200,)."""
    points = np.linspace(-3 * np.pi, 3 * np.pi, N)
    return points, np.cos(points)


def network(seed: int, hidden: int) -> Network:
    """Return the network (15), (16) h = σ(W x + b), y_net = W_y h, with weights from U[−0.1, 0.1].

    (16) has no bias: that of the last layer is zero, and `denoise` keeps it zero.

    Args:
        seed: of the weights.
        hidden: m, the number of hidden neurons.
    """
    architecture = Architecture(
        hidden=[hidden],
        activation="sigmoid",
        output="identity",
        weights="uniform",
        weight_limit=WEIGHT_LIMIT,
        biases="zeros",
    )
    return initialise(architecture, N, N, generator(seed, "initialisation"))


class Denoised(NamedTuple):
    """A network trained on one noisy cosine.

    Attributes:
        noisy: its input, shape (n,).
        output: its output, shape (n,).
        costs: (3) before each step, shape (steps,).
        own: mean squared error of `output` against the cosine, as in the slide's figure.
        fresh: the same for noisy signals that it was not trained on.
        nothing: the same for an input of zeros.
        noise: mean squared error of `noisy` itself.
    """

    noisy: Array
    output: Array
    costs: Array
    own: float
    fresh: float
    nothing: float
    noise: float


def denoise(
    seed: int, *, hidden: int = CHOSEN_HIDDEN, learning_rate: float = CHOSEN_LEARNING_RATE
) -> Denoised:
    """Train on a noisy cosine by 500 steps of (17) with the cost (3).

    Args:
        seed: of noise and weights.
        hidden: m of (15).
        learning_rate: ε of (17).
    """
    _, y = cosine()
    noisy = y + generator(seed, "noise").normal(0, NOISE, N)
    fresh = y + generator(seed, "noise", 1).normal(0, NOISE, (FRESH, N))
    trained, x, target = network(seed, hidden), noisy[np.newaxis], y[np.newaxis]
    costs = []
    for _ in range(STEPS):
        cost, (first, last) = cost_and_gradients(trained, x, target, "squared_error")
        costs.append(cost)
        gradients = (first, last._replace(b=np.zeros_like(last.b)))  # (16) has no bias
        trained, _ = descend(trained, gradients, learning_rate=learning_rate)

    def error(inputs: Array) -> float:
        return float(np.mean((forward(trained, inputs).outputs - y) ** 2))

    return Denoised(
        noisy,
        forward(trained, x).outputs[0],
        np.array(costs),
        own=error(x),
        fresh=error(fresh),
        nothing=error(np.zeros_like(x)),
        noise=float(np.mean((noisy - y) ** 2)),
    )

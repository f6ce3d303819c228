"""Small networks and trainings; a test states what it is about."""

import itertools
from typing import Any

import numpy as np

from pipeline.network.activations import ACTIVATIONS, SINGLE
from pipeline.network.costs import COSTS
from pipeline.network.dense import Network, initialise
from pipeline.network.settings import Architecture, Training


def architecture(*hidden: int, **changed: Any) -> Architecture:
    """Return the lecture's functions on layers of a few neurons."""
    settings = {
        "hidden": list(hidden),
        "activation": "relu",
        "output": "sigmoid",
        "weights": "he_normal",
        "weight_limit": 0.1,
        "biases": "zeros",
    }
    return Architecture(**{**settings, **changed})


def training(**changed: Any) -> Training:
    """Return a short training on the lecture's cost."""
    settings = {
        "cost": "cross_entropy",
        "epochs": 4,
        "batch_size": 20,
        "learning_rate": 0.02,
        "dtype": "float64",
    }
    return Training(**{**settings, **changed})


# Hidden activations, output activations and costs that go together.
COMBINATIONS = [
    (hidden, output, cost)
    for hidden, output, cost in itertools.product(SINGLE, ACTIVATIONS, COSTS)
    if output in COSTS[cost].outputs
]


def small_network(hidden: str, output: str, sizes: tuple[int, ...] = (5, 4, 3, 2)) -> Network:
    """Return a network with random weights and biases."""
    inputs, *between, outputs = sizes
    drawn = {"weights": "lecun_normal", "biases": "normal"}
    chosen = architecture(*between, activation=hidden, output=output, **drawn)
    return initialise(chosen, inputs, outputs, np.random.default_rng(1))

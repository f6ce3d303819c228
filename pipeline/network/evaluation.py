"""Measures the mean cost and the accuracy of a network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network.activations import ACTIVATIONS, Array
from pipeline.network.costs import mean_cost
from pipeline.network.dense import Network, forward


class Examples(NamedTuple):
    """Inputs X of shape (N, n), one-hot labels Y of shape (N, m), labels of shape (N,)."""

    X: Array
    Y: Array
    labels: NDArray[np.integer[Any]]


class Score(NamedTuple):
    """Mean cost and share of samples whose largest pre-activation is that of the right class."""

    loss: float
    accuracy: float


def score(network: Network, examples: Examples, cost: str) -> Score:
    """Return the mean cost and the accuracy over all examples.

    Args:
        network: in the examples' dtype.
        examples: inputs and labels, N of them.
        cost: a name in `pipeline.network.costs.COSTS`.
    """
    H_bar = forward(network, examples.X).pre_activations[-1]
    loss = mean_cost(H_bar, examples.Y, cost, ACTIVATIONS[network.activations[-1]])
    # Of H_bar, not of the outputs: two outputs that round to 1 would be a tie.
    return Score(loss, float(np.mean(H_bar.argmax(axis=1) == examples.labels)))

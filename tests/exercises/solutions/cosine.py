"""Exercise 6 by the package's own functions."""

from typing import Any

import numpy as np

from pipeline.network.dense import Layer, Network, cost_and_gradients, forward
from pipeline.network.descent import descend


def network(W: Any, b: Any, W_y: Any) -> Network:
    return Network((Layer(W, b), Layer(W_y, np.zeros(len(W_y)))), ("sigmoid", "identity"))


def slopes(net: Network, x: Any, y: Any) -> tuple[Layer, Layer]:
    _, (first, last) = cost_and_gradients(net, x[np.newaxis], y[np.newaxis], "squared_error")
    return first, last._replace(b=0 * last.b)  # (16) has no bias


def output(W: Any, b: Any, W_y: Any, x: Any) -> Any:
    return forward(network(W, b, W_y), x[np.newaxis]).outputs[0]


def gradients(W: Any, b: Any, W_y: Any, x: Any, y: Any) -> Any:
    first, last = slopes(network(W, b, W_y), x, y)
    return *first, last.W


def train(W: Any, b: Any, W_y: Any, x: Any, y: Any, learning_rate: float, steps: int) -> Any:
    net = network(W, b, W_y)
    for _ in range(steps):
        net, _ = descend(net, slopes(net, x, y), learning_rate=learning_rate)
    return *net.layers[0], net.layers[1].W

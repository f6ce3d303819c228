"""Exercise 10 by the package's own functions."""

from typing import Any

from pipeline.network.dense import Layer, Network, cost_and_gradients, forward


def network(layers: Any) -> Network:
    hidden = ("relu",) * (len(layers) - 1)
    return Network(tuple(Layer(*layer) for layer in layers), (*hidden, "sigmoid"))


def outputs(layers: Any, X: Any) -> Any:
    return forward(network(layers), X).outputs


def gradients(layers: Any, X: Any, Y: Any) -> Any:
    return cost_and_gradients(network(layers), X, Y, "cross_entropy")[1]

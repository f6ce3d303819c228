"""Exercise 2 by the package's own functions."""

from typing import Any

from pipeline.network import dense as package
from pipeline.network.dense import Layer


def dense(W: Any, b: Any, X: Any) -> Any:
    return package.dense(Layer(W, b), X)

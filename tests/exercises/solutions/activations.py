"""Exercise 1 by the package's own functions, whose derivatives are of outputs."""

from typing import Any

from pipeline.network import activations as package

sigmoid, relu = package.sigmoid, package.relu


def sigmoid_derivative(x: Any) -> Any:
    return package.sigmoid_derivative(sigmoid(x))


def relu_derivative(x: Any) -> Any:
    return package.relu_derivative(relu(x))

"""Exercise 3 by the package's own functions."""

from typing import Any

import numpy as np

from pipeline.network import dense as package
from pipeline.network.activations import Activation, identity
from pipeline.network.costs import squared_error_gradient
from pipeline.network.dense import Layer


def pre_activation_gradient(H_bar: Any, Delta: Any, f_derivative: Any) -> Any:
    # With h = h̄ and y = h̄ − Δ, (4) gives Δ.
    return squared_error_gradient(H_bar, H_bar - Delta, Activation(identity, f_derivative, ""))


def dense_gradients(W: Any, X: Any, delta: Any) -> Any:
    gradient, delta_X = package.dense_gradients(Layer(W, np.zeros(len(W))), X, delta)
    return *gradient, delta_X

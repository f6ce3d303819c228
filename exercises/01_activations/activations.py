"""Exercise 1: activation functions and their derivatives, equations (13) and (14).

Slides: The activation function f; Derivatives of our activation functions.

    σ(x) = 1 / (1 + e^−x)               σ'(x) = σ(x) (1 − σ(x))         (13)
    ReLU(x) = max(0, x)                 ReLU'(x) = H(x)                 (14)

H is the Heaviside step: 0 left of zero, 1 right of it. At zero itself ReLU has a corner and no
derivative; here H(0) = 0.

All four functions take an array of any shape, and return an array of that shape with the function
of each entry. NumPy's np.exp and np.maximum do so; Python's own max does not.

Worked example:

    >>> x = np.array([-1.0, 0.0, 2.0])
    >>> sigmoid(x).round(4)
    array([0.2689, 0.5   , 0.8808])
    >>> sigmoid_derivative(x).round(4)          # 0.2689 · 0.7311; 0.5 · 0.5; 0.8808 · 0.1192
    array([0.1966, 0.25  , 0.105 ])
    >>> relu(x)
    array([0., 0., 2.])
    >>> relu_derivative(x)
    array([0., 0., 1.])

Fill in the functions, then run `pytest exercises/01_activations`.
"""

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return σ of each entry."""
    raise NotImplementedError


def sigmoid_derivative(x: np.ndarray) -> np.ndarray:
    """Return σ' at each entry, equation (13)."""
    raise NotImplementedError


def relu(x: np.ndarray) -> np.ndarray:
    """Return ReLU of each entry."""
    raise NotImplementedError


def relu_derivative(x: np.ndarray) -> np.ndarray:
    """Return ReLU' at each entry, equation (14), with H(0) = 0."""
    raise NotImplementedError

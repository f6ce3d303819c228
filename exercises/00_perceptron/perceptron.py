"""Exercise 0: a perceptron, equation (1).

Slide: The perceptron.

A perceptron weights its inputs x, adds a bias b, and passes the sum through an activation
function f:

    h = f(wᵀx + b)                      (1)

wᵀx is a single number, the sum of the products of weights and inputs; NumPy writes such products
as @. Shapes: w and x (n,); b and h are numbers.

Worked example, with f(x) = max(0, x):

    >>> w, x = np.array([2.0, -1.0]), np.array([3.0, 4.0])
    >>> float(perceptron(w, x, 0.5, lambda h_bar: max(0.0, h_bar)))     # 2 · 3 − 1 · 4 + 0.5
    2.5

Replace `raise NotImplementedError` by your code, then run `pytest exercises/00_perceptron`. To try
the example, `python -i -m exercises.perceptron` opens Python with what is on this page. Every page
works like this.
"""

from collections.abc import Callable

import numpy as np


def perceptron(w: np.ndarray, x: np.ndarray, b: float, f: Callable[[float], float]) -> float:
    """Return h, equation (1).

    Args:
        w: weights, shape (n,).
        x: inputs, shape (n,).
        b: bias.
        f: the activation function.
    """
    raise NotImplementedError

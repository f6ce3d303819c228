"""Exercise 5: gradient descent, equation (17).

Slide: Denoising a cosine.

The gradient δW points to where the cost grows. A step of size ε goes the other way:

    W ← W − ε δW                        (17)

The slide has a plus, which would climb. Repeat the step, with the gradient computed anew at each W,
and the cost falls to a minimum.

Worked example: the cost ½ W² has the gradient W, and its minimum at 0. From W = 2 with ε = 0.25:

    >>> step(np.array([2.0]), np.array([2.0]), 0.25)              # 2 − 0.25 · 2
    array([1.5])
    >>> descend(lambda W: W, np.array([2.0]), 0.25, steps=2)      # then 1.5 − 0.25 · 1.5
    array([1.125])

Fill in both functions, then run `pytest exercises/05_descent`.
"""

from collections.abc import Callable

import numpy as np


def step(W: np.ndarray, gradient: np.ndarray, learning_rate: float) -> np.ndarray:
    """Return W after one step, equation (17).

    Args:
        W: weights or biases, of any shape; not to be changed.
        gradient: δW, of the same shape.
        learning_rate: ε.
    """
    raise NotImplementedError


def descend(
    gradient_at: Callable[[np.ndarray], np.ndarray], W: np.ndarray, learning_rate: float, steps: int
) -> np.ndarray:
    """Return W after several steps.

    Args:
        gradient_at: returns the gradient at any W.
        W: where to start.
        learning_rate: ε.
        steps: how many.
    """
    raise NotImplementedError

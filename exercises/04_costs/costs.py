"""Exercise 4: costs and their gradients, equations (3), (4), (18) and (19).

Slides: The loss function; The gradient of the mse-cost-function; The cross-entropy loss;
Gradients and cross-entropy.

For one sample with labels y and outputs h or o:

    C_mse = ½ Σ (y − h)²                                (3)
    ∂C_mse/∂h = h − y = Δ                               (4)
    C_ce = −Σ [y ln o + (1 − y) ln(1 − o)]              (18)
    ∂C_ce/∂h̄ = σ(h̄) − y                                 (19)

The sums run over the outputs of the sample. (19) is the gradient at the pre-activation h̄ of an
output o = σ(h̄), so it already contains σ': do not apply (8) to it.

For a batch, with one sample per row, a cost is the mean of its samples' costs: a number. The
gradients have a row for each sample and are not yet divided by the number of samples.

Worked example, two samples with two outputs each:

    >>> H, Y = np.array([[0.5, 2.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> squared_error(H, Y)                     # (½ (0.5² + 2²) + ½ (0² + 1²)) / 2
    1.3125
    >>> squared_error_gradient(H, Y)
    array([[-0.5,  2. ],
           [ 0. ,  1. ]])
    >>> outputs = np.array([[0.5, 0.5], [0.5, 0.5]])
    >>> round(cross_entropy(outputs, Y), 4)           # every output gives −ln 0.5 = 0.6931
    1.3863
    >>> cross_entropy_gradient(np.zeros((2, 2)), Y)
    array([[-0.5,  0.5],
           [-0.5,  0.5]])

Fill in the functions, then run `pytest exercises/04_costs`. You may use your σ of exercise 1.
"""

import numpy as np

from exercises.activations import sigmoid


def squared_error(H: np.ndarray, Y: np.ndarray) -> float:
    """Return the cost (3), averaged over the batch.

    Args:
        H: outputs, shape (N, m).
        Y: labels, shape (N, m).
    """
    raise NotImplementedError


def squared_error_gradient(H: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return Δ of each sample, equation (4), shape (N, m).

    Args:
        H: outputs, shape (N, m).
        Y: labels, shape (N, m).
    """
    raise NotImplementedError


def cross_entropy(outputs: np.ndarray, Y: np.ndarray) -> float:
    """Return the cost (18), averaged over the batch.

    Args:
        outputs: o, between 0 and 1, shape (N, m).
        Y: labels, shape (N, m).
    """
    raise NotImplementedError


def cross_entropy_gradient(H_bar: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return the gradient at the pre-activations of each sample, equation (19), shape (N, m).

    Args:
        H_bar: pre-activations of the outputs σ(H_bar), shape (N, m).
        Y: labels, shape (N, m).
    """
    raise NotImplementedError

"""Exercise 9: whitening, equations (21) and (22).

Slides: Whitening the inputs; The effect of Whitening.

    C = (1/N) (X − μ)ᵀ(X − μ)           (21)

is the covariance of N samples, where μ is the mean of each feature. In its singular
value decomposition, C = U diag(s) Uᵀ, the columns of U are the directions in which the data vary,
and s holds the variances along them. Whitening turns the data to these directions and divides each
by its deviation:

    X_w = (X − μ) U / (√s + ε)          (22)

The slide omits U; its figure has it, and without it features stay correlated. ε keeps the
division finite. As in exercise 8, μ, U and s are the training set's for both sets.

Shapes: X, train (N, n), test (M, n), C and U (n, n), s (n,). `U, s, _ = np.linalg.svd(C)`. The sign
of a direction is arbitrary; either one is right.

Worked example: μ = (2, 3), the first feature has variance 4, the second 1, and they do not vary
together. So U is the identity, up to signs:

    >>> X = np.array([[4.0, 4.0], [0.0, 4.0], [4.0, 2.0], [0.0, 2.0]])
    >>> covariance(X)
    array([[4., 0.],
           [0., 1.]])
    >>> X_w, _ = whiten(X, X, epsilon=0.0)
    >>> abs(X_w)                                # such as (4 − 2) / √4 = 1
    array([[1., 1.],
           [1., 1.],
           [1., 1.],
           [1., 1.]])

Fill in both functions, then run `pytest exercises/09_whitening`.
"""

import numpy as np


def covariance(X: np.ndarray) -> np.ndarray:
    """Return C, equation (21), shape (n, n).

    Args:
        X: shape (N, n).
    """
    raise NotImplementedError


def whiten(train: np.ndarray, test: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets, whitened by the training set's statistics, equation (22).

    Args:
        train: shape (N, n).
        test: shape (M, n).
        epsilon: ε.
    """
    raise NotImplementedError

"""Exercise 8: normalisation, equation (20).

Slides: Validation and Test data splits; The effect of normalization.

    X_n = (X − μ) / σ                   (20)

μ and σ are mean and standard deviation of the training set. The test set is normalised by the
same μ and σ: a single new image has no statistics of its own, and nothing about the test images may
be known before the test. Here each feature, a column, has its own μ and σ. The standard deviation
is the root of the mean squared distance from μ, np.std's default.

A feature that is the same in all training samples has σ = 0, and 0 / 0 is not a number. Such a
feature is divided by 1 instead.

Shapes: train (N, n), test (M, n); each result has the shape of its set.

Worked example, with the features (0, 4), whose μ = 2 and σ = 2, and (5, 5):

    >>> train, test = np.array([[0.0, 5.0], [4.0, 5.0]]), np.array([[6.0, 7.0]])
    >>> train_n, test_n = normalise(train, test)
    >>> train_n
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> test_n                                  # (6 − 2) / 2; (7 − 5) / 1
    array([[2., 2.]])

Fill in the function, then run `pytest exercises/08_normalisation`.
"""

import numpy as np


def normalise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets, normalised by the training set's statistics, equation (20).

    Args:
        train: shape (N, n).
        test: shape (M, n).
    """
    raise NotImplementedError

"""Exercise 7: one-hot labels, equation (23).

Slide: Label-encoding.

A classifier has an output for each class. So a label becomes a vector with a one at the label's
position and zeros elsewhere:

    0 → (1, 0, 0, ...)      1 → (0, 1, 0, ...)      2 → (0, 0, 1, ...)          (23)

The slide counts labels from 1; here the first class is 0, as with MNIST's digits. The number of
classes is an argument, since the labels may lack the last ones.

Shapes: labels (N,), whole numbers from 0 to classes − 1; the result (N, classes).

Worked example:

    >>> one_hot(np.array([2, 0, 1]), classes=4).astype(int)
    array([[0, 0, 1, 0],
           [1, 0, 0, 0],
           [0, 1, 0, 0]])

Fill in the function, then run `pytest exercises/07_one_hot`.
"""

import numpy as np


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return a row for each label, equation (23).

    Args:
        labels: shape (N,).
        classes: the number of classes.
    """
    raise NotImplementedError

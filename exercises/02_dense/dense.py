"""Exercise 2: a dense layer, equation (2).

Slide: Arrays of perceptrons.

A layer is m perceptrons that see the same n inputs. The weights of perceptron j are row j of W. For
one sample, a column x:

    h̄ = W x + b,    h = f(h̄)           (2)

(On the board, the slides repeat the first half as (9) and (11).)

In programs many samples are computed at once: a batch X has a row for each of N samples. So
W x becomes X Wᵀ, and NumPy adds b to each row:

    H_bar = X Wᵀ + b

Shapes: W (m, n), b (m,), X (N, n), H_bar (N, m). The function returns H_bar; f comes later. In
NumPy, @ multiplies matrices and W.T is Wᵀ.

Worked example, two samples with n = 2 inputs and m = 3 neurons:

    >>> W, b = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]), np.array([0.0, 0.0, 10.0])
    >>> X = np.array([[5.0, 6.0], [7.0, 1.0]])
    >>> dense(W, b, X)                          # such as 5 − 6 + 10 = 9
    array([[ 5.,  6.,  9.],
           [ 7.,  1., 16.]])

Fill in the function, then run `pytest exercises/02_dense`.
"""

import numpy as np


def dense(W: np.ndarray, b: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return H_bar, the first half of equation (2) for each sample.

    Args:
        W: weights, shape (m, n).
        b: biases, shape (m,).
        X: inputs, shape (N, n).
    """
    raise NotImplementedError

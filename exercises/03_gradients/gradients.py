"""Exercise 3: the gradients of a dense layer, equations (5), (6) and (8).

Slides: The gradient of a dense layer; On the board.

The gradient Δ of the cost at a layer's output h goes back through f, and then to everything that
h̄ was computed from. For one sample, a column x:

    δh̄ = f'(h̄) ⊙ Δ                     (8)
    δW = δh̄ xᵀ      δb = δh̄            (5), derived as (10) and (12)
    δx = Wᵀ δh̄                          (6)

⊙ multiplies entry by entry. On the slide, (10) has the transpose on the bracket; (5) is right.
For a batch with one sample in each of its N rows, δW and δb are summed over the samples:

    δH_bar = f'(H_bar) ⊙ Δ
    δW = δH_barᵀ X      δb = the sum of δH_bar's rows
    δX = δH_bar W

Shapes: X (N, n), W and δW (m, n), δb (m,), H_bar, Δ and δH_bar (N, m), δX (N, n). A gradient always
has the shape of what it is the gradient of.

Worked example, one sample with n = 2 inputs and m = 1 neuron, f(x) = x², so f'(x) = 2x:

    >>> H_bar, Delta = np.array([[0.25]]), np.array([[1.0]])
    >>> delta = pre_activation_gradient(H_bar, Delta, lambda x: 2 * x)
    >>> delta                                   # 2 · 0.25 · 1
    array([[0.5]])
    >>> W, X = np.array([[1.0, 3.0]]), np.array([[4.0, 6.0]])
    >>> dense_gradients(W, X, delta)            # 0.5 · (4, 6); 0.5; 0.5 · (1, 3)
    (array([[2., 3.]]), array([0.5]), array([[0.5, 1.5]]))

Fill in both functions, then run `pytest exercises/03_gradients`.
"""

from collections.abc import Callable

import numpy as np


def pre_activation_gradient(
    H_bar: np.ndarray, Delta: np.ndarray, f_derivative: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return δH_bar, equation (8).

    Args:
        H_bar: pre-activations, shape (N, m).
        Delta: Δ, the gradient at the outputs f(H_bar), shape (N, m).
        f_derivative: f', to be applied to an array.
    """
    raise NotImplementedError


def dense_gradients(
    W: np.ndarray, X: np.ndarray, delta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return δW, δb and δX, equations (5) and (6).

    Args:
        W: weights, shape (m, n).
        X: the layer's inputs, shape (N, n).
        delta: δH_bar, shape (N, m).
    """
    raise NotImplementedError

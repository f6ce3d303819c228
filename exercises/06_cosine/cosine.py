"""Exercise 6: a network that denoises a cosine, equations (15), (16) and (17).

Slides: Perceptrons for functions; Denoising a cosine.

    h = σ(W x + b)                      (15)
    y_net = W_y h                       (16)

x is a noisy signal of n numbers, y the signal without noise. All are columns here, as on the
slides; there is no batch. The cost is (3), C = ½ Σ (y_net − y)². By (4), (5), (6) and (8), from the
end to the beginning:

    Δ = y_net − y           δW_y = Δ hᵀ
    δh̄ = σ'(h̄) ⊙ (W_yᵀ Δ)    δW = δh̄ xᵀ      δb = δh̄          with h̄ = W x + b

Δ hᵀ, a column times a row, is np.outer(Delta, h) in NumPy. Every step of (17) takes all three
gradients at the old weights, then moves all three.

Shapes: W and δW (m, n), b and δb (m,), W_y and δW_y (n, m), x, y and y_net (n,).

Worked example, n = 2, m = 1:

    >>> W, b, W_y = np.array([[1.0, -1.0]]), np.array([0.0]), np.array([[2.0], [4.0]])
    >>> x, y = np.array([3.0, 3.0]), np.array([0.0, 0.0])
    >>> output(W, b, W_y, x)                    # h̄ = 0, h = 0.5
    array([1., 2.])
    >>> dW, db, dW_y = gradients(W, b, W_y, x, y)
    >>> dW_y                                    # Δ = (1, 2), times h = 0.5
    array([[0.5],
           [1. ]])
    >>> dW, db                                  # W_yᵀ Δ = 10, times σ'(0) = 0.25, times x
    (array([[7.5, 7.5]]), array([2.5]))

Fill in the functions, then run `pytest exercises/06_cosine`. You may use your functions of earlier
exercises. `python -m exercises.cosine` then denoises the lecture's cosine with them.
"""

import numpy as np

from exercises.activations import sigmoid, sigmoid_derivative
from exercises.descent import step


def output(W: np.ndarray, b: np.ndarray, W_y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return y_net, equations (15) and (16)."""
    raise NotImplementedError


def gradients(
    W: np.ndarray, b: np.ndarray, W_y: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return δW, δb and δW_y of the cost."""
    raise NotImplementedError


def train(
    W: np.ndarray,
    b: np.ndarray,
    W_y: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    learning_rate: float,
    steps: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return W, b and W_y after some steps of (17)."""
    raise NotImplementedError


def main() -> None:
    """Denoise the lecture's cosine; nothing to fill in here."""
    rng = np.random.default_rng(0)
    y = np.cos(np.linspace(-3 * np.pi, 3 * np.pi, 200))
    x = y + rng.normal(0, 0.1, 200)
    W, b, W_y = rng.uniform(-0.1, 0.1, (10, 200)), np.zeros(10), rng.uniform(-0.1, 0.1, (200, 10))
    W, b, W_y = train(W, b, W_y, x, y, learning_rate=0.01, steps=500)
    print("mean squared error against the cosine")
    print(f"the noisy signal:  {np.mean((x - y) ** 2):.2e}    (slide: 9.97e-03)")
    print(f"your network:      {np.mean((output(W, b, W_y, x) - y) ** 2):.2e}    (slide: 2.02e-04)")
    fresh = y + rng.normal(0, 0.1, 200)
    print(f"on other noise:    {np.mean((output(W, b, W_y, fresh) - y) ** 2):.2e}")


if __name__ == "__main__":
    main()

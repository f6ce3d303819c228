"""Exercise 10: the whole network, and MNIST.

Slides: Deep multi-layer networks; Backpropagation; MNIST-Classification.

A network is a list of layers, each a pair (W, b). Hidden layers have f = ReLU, the last one has
f = σ, and the cost is the cross-entropy (18), averaged over the batch.

Forward, from the first layer to the last: H_bar = H Wᵀ + b, where the first layer's H is the
batch X; then H = f(H_bar), equation (7).

Backward, from the last layer to the first. The last layer begins with (19), divided by the number
of samples N, since the cost is a mean:

    δH_bar = (σ(H_bar) − Y) / N

Each layer has its δW and δb of (5), from δH_bar and from its input. Its δX of (6) is the Δ of the
layer before, whose δH_bar is ReLU'(H_bar) ⊙ Δ, by (8). So the forward pass has to keep each
layer's input and H_bar.

Worked example, two layers of one neuron each, one sample: h̄ = 1 · 2 + 1 = 3, ReLU gives 3, then
h̄ = 1 · 3 − 3 = 0, σ gives 0.5:

    >>> layers = [(np.array([[1.0]]), np.array([1.0])), (np.array([[1.0]]), np.array([-3.0]))]
    >>> X, Y = np.array([[2.0]]), np.array([[1.0]])
    >>> outputs(layers, X)
    array([[0.5]])
    >>> (dW1, db1), (dW2, db2) = gradients(layers, X, Y)
    >>> dW2, db2                                # 0.5 − 1, times the input 3
    (array([[-1.5]]), array([-0.5]))
    >>> dW1, db1                                # −0.5 · 1, times ReLU'(3) = 1, times the input 2
    (array([[-1.]]), array([-0.5]))

Fill in both functions, then run `pytest exercises/10_network`. You may use your functions of
earlier exercises.

Then train it. `python -m exercises.train` takes your gradients and your step of exercise 5, trains
params.yaml's network on MNIST with them, and shows the result beside ours, in MLflow too.
"""

import numpy as np

from exercises.activations import relu, relu_derivative, sigmoid
from exercises.costs import cross_entropy_gradient
from exercises.dense import dense
from exercises.gradients import dense_gradients, pre_activation_gradient

Layers = list[tuple[np.ndarray, np.ndarray]]


def outputs(layers: Layers, X: np.ndarray) -> np.ndarray:
    """Return the last layer's outputs, shape (N, m).

    Args:
        layers: weights and biases, first layer to last.
        X: a batch of inputs, shape (N, n).
    """
    raise NotImplementedError


def gradients(layers: Layers, X: np.ndarray, Y: np.ndarray) -> Layers:
    """Return δW and δb of each layer, first layer to last, of the mean cost.

    Args:
        layers: weights and biases, first layer to last.
        X: a batch of inputs, shape (N, n).
        Y: their one-hot labels, shape (N, m).
    """
    raise NotImplementedError

"""Forward and backward (2), (5), (6) against loops, differences and scikit-learn."""

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from pipeline.network.dense import (
    Layer,
    Network,
    cost_and_gradients,
    dense,
    dense_gradients,
    forward,
)
from pipeline.network.descent import decayed, descend
from tests.settings import COMBINATIONS, small_network

CATEGORICAL = "categorical_cross_entropy"


def small_batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(6, 5)), np.eye(2)[rng.integers(2, size=6)]


def test_dense_is_equation_2_for_every_sample() -> None:
    layer = Layer(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0.1, 0.2, 0.3]))
    X = np.array([[1.0, -1.0], [2.0, 0.5]])
    expected = [layer.W @ x + layer.b for x in X]
    np.testing.assert_allclose(dense(layer, X), expected)


def test_dense_gradients_are_equations_5_and_6_summed_over_samples() -> None:
    rng = np.random.default_rng(0)
    layer = Layer(rng.normal(size=(3, 2)), rng.normal(size=3))
    X, delta = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    gradient, delta_X = dense_gradients(layer, X, delta)
    np.testing.assert_allclose(
        gradient.W, sum(np.outer(d, x) for d, x in zip(delta, X, strict=True))
    )
    np.testing.assert_allclose(gradient.b, sum(delta))
    np.testing.assert_allclose(delta_X, [layer.W.T @ d for d in delta])


@pytest.mark.parametrize(("hidden", "output", "cost"), COMBINATIONS)
def test_every_gradient_is_the_slope_of_the_cost(hidden: str, output: str, cost: str) -> None:
    network, (X, Y) = small_network(hidden, output), small_batch()
    _, gradients = cost_and_gradients(network, X, Y, cost)
    step = 1e-6
    for index, layer in enumerate(network.layers):
        for name in ("W", "b"):
            parameter = getattr(layer, name)
            for position in np.ndindex(parameter.shape):
                slopes = []
                for sign in (1, -1):
                    moved = parameter.copy()
                    moved[position] += sign * step
                    layers = list(network.layers)
                    layers[index] = layer._replace(**{name: moved})
                    value, _ = cost_and_gradients(
                        network._replace(layers=tuple(layers)), X, Y, cost
                    )
                    slopes.append(value)
                slope = (slopes[0] - slopes[1]) / (2 * step)
                gradient = getattr(gradients[index], name)[position]
                np.testing.assert_allclose(gradient, slope, atol=1e-8)


# What scikit-learn calls our functions.
ORACLES = {"relu": "relu", "sigmoid": "logistic", "tanh": "tanh", "identity": "identity"}


@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
@pytest.mark.parametrize(
    ("activation", "output", "momentum"),
    [
        ("relu", "sigmoid", 0.0),
        ("sigmoid", "sigmoid", 0.9),
        ("tanh", "softmax", 0.0),
        ("identity", "softmax", 0.9),
    ],
)
def test_five_steps_agree_with_scikit_learn(
    activation: str, output: str, momentum: float, weight_decay: float
) -> None:
    """MLPClassifier on multilabel targets has logistic outputs and the lecture's cost (18).

    On classes it has softmax and its cross-entropy. Its alpha is divided by the batch.
    """
    rng = np.random.default_rng(3)
    X, labels = rng.normal(size=(30, 8)), rng.permutation(np.arange(30) % 4)
    Y = np.eye(4)[labels]
    targets, cost = (Y, "cross_entropy") if output == "sigmoid" else (labels, CATEGORICAL)
    oracle = MLPClassifier(
        (7, 6),
        activation=ORACLES[activation],
        solver="sgd",
        alpha=30 * weight_decay,
        batch_size=30,
        learning_rate_init=0.3,
        momentum=momentum,
        nesterovs_momentum=False,
        shuffle=False,
        random_state=0,
    )
    oracle.partial_fit(X, targets, classes=np.arange(4))
    layers = tuple(
        Layer(W.T.copy(), b.copy()) for W, b in zip(oracle.coefs_, oracle.intercepts_, strict=True)
    )
    network, velocity = Network(layers, (activation, activation, output)), None
    if momentum:  # go on from the velocity that scikit-learn's first step left
        found = oracle._optimizer.velocities
        velocity = tuple(Layer(W.T, b) for W, b in zip(found[:3], found[3:], strict=True))
    for _ in range(5):
        oracle.partial_fit(X, targets)
        _, gradients = cost_and_gradients(network, X, Y, cost)
        gradients = decayed(network, gradients, weight_decay)
        network, velocity = descend(
            network, gradients, learning_rate=0.3, momentum=momentum, velocity=velocity
        )
    for layer, W, b in zip(network.layers, oracle.coefs_, oracle.intercepts_, strict=True):
        np.testing.assert_allclose(layer.W, W.T, atol=1e-12, rtol=0)
        np.testing.assert_allclose(layer.b, b, atol=1e-12, rtol=0)
    np.testing.assert_allclose(forward(network, X).outputs, oracle.predict_proba(X), atol=1e-12)


def test_weight_decay_adds_the_slope_of_half_the_sum_of_squared_weights() -> None:
    network, (X, Y), decay, step = small_network("tanh", "sigmoid"), small_batch(), 0.3, 1e-6

    def penalised(network: Network) -> float:
        value, _ = cost_and_gradients(network, X, Y, "cross_entropy")
        return value + decay / 2 * sum(float(np.sum(layer.W**2)) for layer in network.layers)

    _, plain = cost_and_gradients(network, X, Y, "cross_entropy")
    for index, layer in enumerate(network.layers):
        gradient = decayed(network, plain, decay)[index]
        np.testing.assert_array_equal(gradient.b, plain[index].b)
        for position in np.ndindex(layer.W.shape):
            up, down = (
                network._replace(
                    layers=(
                        *network.layers[:index],
                        layer._replace(W=layer.W + sign * step * _one_at(position, layer.W.shape)),
                        *network.layers[index + 1 :],
                    )
                )
                for sign in (1, -1)
            )
            slope = (penalised(up) - penalised(down)) / (2 * step)
            np.testing.assert_allclose(gradient.W[position], slope, atol=1e-8)


def _one_at(position: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    one = np.zeros(shape)
    one[position] = 1.0
    return one


def test_network_of_one_layer_is_an_array_of_perceptrons() -> None:
    network = small_network("relu", "sigmoid", sizes=(3, 2))
    assert network.activations == ("sigmoid",)
    assert forward(network, np.zeros((1, 3))).outputs.shape == (1, 2)

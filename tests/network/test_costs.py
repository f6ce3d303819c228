"""Costs (3), (18) against their printed formulas, gradients (4), (19) against differences."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from pipeline.network.activations import ACTIVATIONS, sigmoid
from pipeline.network.costs import (
    COSTS,
    cross_entropy,
    cross_entropy_of_outputs,
    mean_cost,
    squared_error,
)

SIGMOID, IDENTITY = ACTIVATIONS["sigmoid"], ACTIVATIONS["identity"]
RNG = np.random.default_rng(0)
H_BAR = RNG.normal(size=(7, 10))
Y = np.eye(10)[RNG.integers(10, size=7)]


def test_squared_error_of_a_worked_example() -> None:
    # ½ (1 − 0.5)² and ½ (0 − 2)²
    value = squared_error(np.array([[0.5, 2.0]]), np.array([[1.0, 0.0]]), IDENTITY)
    np.testing.assert_allclose(value, [[0.125, 2.0]])


def test_cross_entropy_of_pre_activations_is_the_printed_one_of_outputs() -> None:
    printed = cross_entropy_of_outputs(sigmoid(H_BAR), Y)
    np.testing.assert_allclose(cross_entropy(H_BAR, Y, SIGMOID), printed, rtol=1e-13)


def test_cross_entropy_agrees_with_scikit_learn_output_by_output() -> None:
    expected = sum(
        log_loss(Y[:, k], sigmoid(H_BAR)[:, k], labels=[0, 1]) for k in range(Y.shape[1])
    )
    np.testing.assert_allclose(mean_cost(H_BAR, Y, "cross_entropy", SIGMOID), expected, rtol=1e-12)


def test_cross_entropy_is_nearly_zero_for_the_right_answer_and_finite_for_the_wrong_one() -> None:
    sure = np.array([[1e4, -1e4]], np.float32)
    assert cross_entropy(sure, np.array([[1.0, 0.0]], np.float32), SIGMOID).sum() == 0
    assert cross_entropy(sure, np.array([[0.0, 1.0]], np.float32), SIGMOID).sum() == 2e4


def test_categorical_cross_entropy_agrees_with_scikit_learn() -> None:
    f = ACTIVATIONS["softmax"]
    expected = log_loss(Y.argmax(axis=1), f.function(H_BAR), labels=range(10))
    found = mean_cost(H_BAR, Y, "categorical_cross_entropy", f)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_categorical_cross_entropy_is_finite_for_the_wrong_answer() -> None:
    sure, f = np.array([[1e4, -1e4]], np.float32), ACTIVATIONS["softmax"]
    for Y, expected in (([[1.0, 0.0]], 0), ([[0.0, 1.0]], 2e4)):
        labels = np.array(Y, np.float32)
        assert mean_cost(sure, labels, "categorical_cross_entropy", f) == expected


@pytest.mark.parametrize(
    ("cost", "output"), [(cost, output) for cost in COSTS for output in COSTS[cost].outputs]
)
def test_gradient_is_the_slope_of_the_cost(cost: str, output: str) -> None:
    f, step = ACTIVATIONS[output], 1e-6
    gradient = COSTS[cost].gradient(H_BAR, Y, f)
    for k in range(Y.shape[1]):
        shift = step * np.eye(Y.shape[1])[k]
        up = COSTS[cost].value(H_BAR + shift, Y, f)
        down = COSTS[cost].value(H_BAR - shift, Y, f)
        np.testing.assert_allclose(gradient[:, k], (up - down).sum(axis=1) / (2 * step), atol=1e-8)

"""Activation functions (13), (14) against scipy and against central differences."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from pipeline.network.activations import ACTIVATIONS, SINGLE, relu_derivative, sigmoid

X = np.concatenate([np.linspace(-10, 10, 41), [-700.0, -40.0, 40.0, 700.0]])


def test_sigmoid_agrees_with_scipy() -> None:
    np.testing.assert_allclose(sigmoid(X), expit(X), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_cannot_overflow(dtype: type) -> None:
    extremes: np.ndarray = np.array([-1e30, 0.0, 1e30], dtype)
    np.testing.assert_array_equal(sigmoid(extremes), np.array([0.0, 0.5, 1.0], dtype))
    assert sigmoid(extremes).dtype == dtype


def test_softmax_agrees_with_scipy_and_cannot_overflow() -> None:
    rows = np.stack([X, X[::-1] / 7, 0 * X])
    found = ACTIVATIONS["softmax"].function(rows)
    np.testing.assert_allclose(found, softmax(rows, axis=1), rtol=1e-13, atol=1e-300)


def test_softmax_has_no_derivative_of_single_numbers() -> None:
    assert "softmax" not in SINGLE
    with pytest.raises(NotImplementedError):
        ACTIVATIONS["softmax"].derivative(X)


@pytest.mark.parametrize("name", SINGLE)
def test_derivative_is_the_slope(name: str) -> None:
    f = ACTIVATIONS[name]
    smooth = np.linspace(-5, 5, 40)  # 40 points: none of them is ReLU's corner at 0
    step = 1e-6
    slope = (f.function(smooth + step) - f.function(smooth - step)) / (2 * step)
    np.testing.assert_allclose(f.derivative(f.function(smooth)), slope, atol=1e-9)


def test_heaviside_is_zero_at_zero() -> None:
    np.testing.assert_array_equal(relu_derivative(np.array([-1.0, 0.0, 1.0])), [0.0, 0.0, 1.0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_rise_so_that_accuracy_may_be_read_off_pre_activations(name: str) -> None:
    values = ACTIVATIONS[name].function(np.linspace(-8, 8, 101)[np.newaxis])
    assert np.all(np.diff(values) >= 0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_outputs_add_up_to_one_where_the_registry_says_so(name: str) -> None:
    H = ACTIVATIONS[name].function(np.random.default_rng(0).normal(size=(5, 4)))
    adds_up = np.allclose(H.sum(axis=1), 1) and (H > 0).all()
    assert adds_up == ACTIVATIONS[name].probabilities

"""The perceptron (1), worked by hand, and arrays (2), compared with single perceptrons."""

import numpy as np
import pytest
from scipy.special import expit

from pipeline.lecture import perceptron
from pipeline.lecture.perceptron import AXIS, BIASES, WEIGHTS, array, single


def test_a_perceptron_worked_by_hand() -> None:
    """1·2 + (−2)·0.5 + 0.25 = 1.25."""
    w, x = np.array([1.0, -2.0]), np.array([2.0, 0.5])
    assert perceptron.perceptron(w, x, 0.25, "relu") == 1.25
    assert perceptron.perceptron(w, x, -3.0, "relu") == 0
    assert perceptron.perceptron(w, x, 0.25, "sigmoid") == pytest.approx(expit(1.25))


def test_an_array_is_as_many_perceptrons() -> None:
    outputs = array("relu")
    for neuron, i2, i1 in ((0, 3, 70), (1, 80, 0), (2, 40, 41)):
        x = AXIS[[i1, i2]]
        alone = perceptron.perceptron(WEIGHTS[neuron], x, float(BIASES[neuron]), "relu")
        assert outputs[neuron, i2, i1] == pytest.approx(alone)


def test_a_perceptron_fires_on_one_side_of_a_line() -> None:
    (outputs,) = single("sigmoid")
    x1, x2 = np.meshgrid(AXIS, AXIS)
    H_bar = WEIGHTS[0, 0] * x1 + WEIGHTS[0, 1] * x2 + BIASES[0]
    off = np.abs(H_bar) > 1e-9  # on the line itself, rounding decides
    np.testing.assert_array_equal(outputs[off] > 0.5, H_bar[off] > 0)

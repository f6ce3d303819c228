"""Grades activations.py by SciPy, by central differences and by hand."""

import numpy as np
import pytest
from scipy.special import expit

from exercises.grader import STEP, Task, check

# σ has to be right far away, too: a network's pre-activations can be large.
X = {"x": np.array([-800.0, -2.0, -0.5, 0.0, 0.5, 3.0, 800.0])}

TASKS = (
    Task(
        "sigmoid",
        X,
        ["σ"],
        expit,
        {
            "the exponent has the wrong sign: e^−x is np.exp(-x)": lambda x: 1 / (1 + np.exp(x)),
            "1 / 1 + e^−x divides 1 by 1 only; put the sum into brackets": (
                lambda x: 1 / 1 + np.exp(-x)
            ),
            "e^x is too large for a computer's number at x = 800, and the quotient is NaN there; "
            "divide by e^x first": lambda x: np.exp(x) / (1 + np.exp(x)),
            "this is tanh, which goes from −1 to 1; σ goes from 0 to 1": np.tanh,
        },
    ),
    Task(
        "sigmoid_derivative",
        X,
        ["σ'"],
        lambda x: (expit(x + STEP) - expit(x - STEP)) / (2 * STEP),
        {
            "x is taken for σ(x): (13) is σ(x) (1 − σ(x)), not x (1 − x)": lambda x: x * (1 - x),
            "the second factor of (13) is 1 − σ(x), not 1 − x": lambda x: expit(x) * (1 - x),
            "the second factor of (13) is 1 − σ(x), not 1 + σ(x)": (
                lambda x: expit(x) * (1 + expit(x))
            ),
            "this is σ itself; (13) multiplies it by 1 − σ(x)": expit,
            "this is 1 − σ(x) alone; (13) multiplies it by σ(x)": lambda x: 1 - expit(x),
        },
    ),
    Task(
        "relu",
        X,
        ["ReLU"],
        lambda x: np.array([0.0, 0.0, 0.0, 0.0, 0.5, 3.0, 800.0]),
        {
            "this is the smaller one of 0 and x; ReLU is the larger": lambda x: np.minimum(0, x),
            "this is the absolute value; ReLU is 0 left of zero": np.abs,
            "this is a leaky ReLU; the lecture's is 0 left of zero": (
                lambda x: np.where(x > 0, x, 0.01 * x)
            ),
            "this is the step H(x); ReLU is x right of zero": lambda x: 1.0 * (x > 0),
            "max and if compare whole arrays; np.maximum compares entry by entry": (
                lambda x: max(0, x)
            ),
        },
    ),
    Task(
        "relu_derivative",
        X,
        ["H"],
        lambda x: np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
        {
            "your H(0) is 1; here it is 0: x > 0, not x >= 0": lambda x: 1.0 * (x >= 0),
            "your H(0) is ½; here it is 0": lambda x: np.heaviside(x, 0.5),
            "if compares the whole array; x > 0 by itself compares entry by entry": (
                lambda x: 1.0 if x > 0 else 0.0
            ),
            "this is ReLU itself; its slope is 1 right of zero": lambda x: np.maximum(0, x),
            "this is the sign of x; the slope of ReLU left of zero is 0": np.sign,
            "this is 0 right of zero and 1 left of it; it is the other way round": (
                lambda x: 1.0 * (x < 0)
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("activations", task)

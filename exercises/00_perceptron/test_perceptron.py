"""Grades perceptron.py by a number worked by hand."""

import numpy as np
import pytest
from scipy.special import expit

from exercises.grader import Task, check

TASKS = (
    Task(
        "perceptron",
        {"w": np.array([1.0, -2.0]), "x": np.array([2.0, 0.5]), "b": 0.25, "f": expit},
        ["h"],
        # 1 · 2 − 2 · 0.5 + 0.25 = 1.25, and σ(1.25) = 1 / (1 + e^−1.25)
        lambda w, x, b, f: 0.7772998611746911,
        {
            "the bias is missing: f(wᵀx + b)": lambda w, x, b, f: f(w @ x),
            "the bias is subtracted; (1) adds it": lambda w, x, b, f: f(w @ x - b),
            "f is missing: wᵀx + b still has to pass through it": lambda w, x, b, f: w @ x + b,
            "the bias is added after f; (1) adds it before": lambda w, x, b, f: f(w @ x) + b,
            "w * x is one product for each input; wᵀx adds them up, which is w @ x": (
                lambda w, x, b, f: f(w * x + b)
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("perceptron", task)

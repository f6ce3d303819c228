"""Grades descent.py by steps worked by hand."""

from typing import Any

import numpy as np
import pytest

from exercises.grader import Task, check

CURVATURE = np.array([1.0, 2.0])  # of a cost ½ Σ c w², whose gradient is c w


def gradient_at(W: Any) -> Any:
    return CURVATURE * W


def after(steps: int, W: Any, learning_rate: float) -> Any:
    """Return W after some steps on that cost: each multiplies it by 1 − ε c."""
    return (1 - learning_rate * CURVATURE) ** steps * W


TASKS = (
    Task(
        "step",
        {
            "W": np.array([[2.0, -1.0], [0.5, 4.0], [3.0, 1.0]]),
            "gradient": np.array([[1.0, -2.0], [4.0, 0.5], [-1.0, 2.0]]),
            "learning_rate": 0.25,
        },
        ["W"],
        lambda W, g, rate: np.array([[1.75, -0.5], [-0.5, 3.875], [3.25, 0.5]]),
        {
            "this goes up: the plus of the slide has to be a minus": lambda W, g, rate: (
                W + rate * g
            ),
            "the step size ε is missing": lambda W, g, rate: W - g,
            "this is the step −ε δW alone; add it to W": lambda W, g, rate: -rate * g,
            "the gradient is divided by ε; multiply by it": lambda W, g, rate: W - g / rate,
            "W is multiplied by ε, too; only the gradient is": lambda W, g, rate: rate * (W - g),
        },
    ),
    Task(
        "descend",
        {
            "gradient_at": gradient_at,
            "W": np.array([1.0, -3.0]),
            "learning_rate": 0.1,
            "steps": 4,
        },
        ["W"],
        lambda gradient_at, W, rate, steps: after(steps, W, rate),
        {
            "the steps go up: descent needs the minus": lambda gradient_at, W, rate, steps: after(
                steps, W, -rate
            ),
            "there is one step too few": lambda gradient_at, W, rate, steps: after(
                steps - 1, W, rate
            ),
            "there is one step too many": lambda gradient_at, W, rate, steps: after(
                steps + 1, W, rate
            ),
            "there is only one step; is `return` inside the loop?": (
                lambda gradient_at, W, rate, steps: after(1, W, rate)
            ),
            "all steps use the gradient at the start; take it anew at each W": (
                lambda gradient_at, W, rate, steps: W - steps * rate * gradient_at(W)
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("descent", task)

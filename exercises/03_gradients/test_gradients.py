"""Grades gradients.py by central differences."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from exercises.grader import STEP, Task, check, slopes

rng = np.random.default_rng(3)
W, X = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
H_BAR, DELTA = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))


def derivative(x: Any) -> Any:
    return expit(x) * expit(-x)


def slope_through_sigmoid(H_bar: Any, Delta: Any, f_derivative: Any) -> Any:
    return Delta * (expit(H_bar + STEP) - expit(H_bar - STEP)) / (2 * STEP)


def slopes_of_a_layer(W: Any, X: Any, delta: Any) -> Any:
    """The cost here is the sum of delta ⊙ H_bar, whose gradient at H_bar is delta."""
    b = np.zeros(3)
    return (
        slopes(lambda W: np.sum(delta * (X @ W.T + b)), W),
        slopes(lambda b: np.sum(delta * (X @ W.T + b)), b),
        slopes(lambda X: np.sum(delta * (X @ W.T + b)), X),
    )


TASKS = (
    Task(
        "pre_activation_gradient",
        {"H_bar": H_BAR, "Delta": DELTA, "f_derivative": derivative},
        ["δH_bar"],
        slope_through_sigmoid,
        {
            "f' is missing: δH_bar = f'(H_bar) ⊙ Δ": lambda H, D, df: D,
            "Δ is missing: δH_bar = f'(H_bar) ⊙ Δ": lambda H, D, df: df(H),
            "f' is applied twice; once is enough": lambda H, D, df: df(H) ** 2 * D,
            "Δ is multiplied by H_bar; (8) has f'(H_bar)": lambda H, D, df: H * D,
            "f' is taken of Δ; (8) takes it of H_bar": lambda H, D, df: H * df(D),
            "@ multiplies matrices; ⊙ is entry by entry, which is * in NumPy": lambda H, D, df: (
                df(H) @ D
            ),
        },
    ),
    Task(
        "dense_gradients",
        {"W": W, "X": X, "delta": DELTA},
        ["δW", "δb", "δX"],
        slopes_of_a_layer,
        {
            "your δW and δb are means over the batch; here they are sums, since the cost's "
            "gradient holds the 1/N already": lambda W, X, d: (d.T @ X / 4, d.mean(axis=0), d @ W),
            "your δb still has a row for each sample; sum over the batch, axis 0": lambda W, X, d: (
                d.T @ X,
                d,
                d @ W,
            ),
            "your δb is summed over the neurons; sum over the batch, axis 0": lambda W, X, d: (
                d.T @ X,
                d.sum(axis=1),
                d @ W,
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("gradients", task)

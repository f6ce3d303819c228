"""Grades dense.py by loops over samples, neurons and inputs."""

from typing import Any

import numpy as np
import pytest

from exercises.grader import Task, check

rng = np.random.default_rng(2)


def by_loops(W: Any, b: Any, X: Any) -> Any:
    return np.array(
        [
            [
                sum(weight * value for weight, value in zip(w, x, strict=True)) + bias
                for w, bias in zip(W, b, strict=True)
            ]
            for x in X
        ]
    )


TASKS = (
    Task(
        "dense",
        {"W": rng.normal(size=(3, 5)), "b": rng.normal(size=3), "X": rng.normal(size=(4, 5))},
        ["H_bar"],
        by_loops,
        {
            "the biases are missing: X Wᵀ + b": lambda W, b, X: X @ W.T,
            "the biases are subtracted; (2) adds them": lambda W, b, X: X @ W.T - b,
            "W is not transposed: X has shape (4, 5) and W (3, 5), so it takes X @ W.T": (
                lambda W, b, X: X @ W + b
            ),
            "W x is for one sample, a column; for a batch in rows it is X @ W.T": (
                lambda W, b, X: W @ X + b
            ),
            "for a batch in rows the product is X Wᵀ; W Xᵀ is its transpose, to which b does not "
            "fit": lambda W, b, X: W @ X.T + b,
            "this is f(H_bar), with ReLU; here f comes later": (
                lambda W, b, X: np.maximum(X @ W.T + b, 0)
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("dense", task)

"""Grades cosine.py by the slide's equations, written out, and by central differences."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from exercises.grader import Task, check, slopes

rng = np.random.default_rng(6)
NETWORK = {
    "W": rng.normal(size=(3, 5)),
    "b": rng.normal(size=3),
    "W_y": rng.normal(size=(5, 3)),
    "x": rng.normal(size=5),
}
SIGNAL = {**NETWORK, "y": rng.normal(size=5)}


def network(W: Any, b: Any, W_y: Any, x: Any) -> Any:
    return W_y @ expit(W @ x + b)


def cost_slopes(W: Any, b: Any, W_y: Any, x: Any, y: Any) -> Any:
    def cost(W: Any, b: Any, W_y: Any) -> Any:
        return np.sum((network(W, b, W_y, x) - y) ** 2) / 2

    return (
        slopes(lambda W: cost(W, b, W_y), W),
        slopes(lambda b: cost(W, b, W_y), b),
        slopes(lambda W_y: cost(W, b, W_y), W_y),
    )


def written_out(W: Any, b: Any, W_y: Any, x: Any, y: Any, *, f_derivative: Any = None) -> Any:
    """Return the gradients with another derivative than σ'(h̄)."""
    h_bar = W @ x + b
    h = expit(h_bar)
    derivative = h * (1 - h) if f_derivative is None else f_derivative(h_bar)
    delta = W_y @ h - y
    delta_h_bar = derivative * (W_y.T @ delta)
    return np.outer(delta_h_bar, x), delta_h_bar, np.outer(delta, h)


def derivative_at_output(h_bar: Any) -> Any:
    h = expit(h_bar)
    return expit(h) * expit(-h)


def divided(gradients: Any, by: float) -> Any:
    return tuple(gradient / by for gradient in gradients)


def trained(
    *arguments: Any, sign: int = -1, more: int = 0, output_first: bool = False, once: bool = False
) -> Any:
    """Return what (17) leads to, or a typical mistake on the way."""
    W, b, W_y, x, y, rate, steps = arguments
    first = written_out(W, b, W_y, x, y)
    for _ in range(steps + more):
        dW, db, dW_y = first if once else written_out(W, b, W_y, x, y)
        if output_first:
            dW, db, _ = written_out(W, b, W_y - rate * dW_y, x, y)
        W, b, W_y = W + sign * rate * dW, b + sign * rate * db, W_y + sign * rate * dW_y
    return W, b, W_y


TASKS = (
    Task(
        "output",
        NETWORK,
        ["y_net"],
        network,
        {
            "σ is missing in (15)": lambda W, b, W_y, x: W_y @ (W @ x + b),
            "the bias is missing in (15)": lambda W, b, W_y, x: W_y @ expit(W @ x),
            "(16) has no σ: y_net has to reach values below 0": (
                lambda W, b, W_y, x: expit(W_y @ expit(W @ x + b))
            ),
            "this is h of (15); (16) multiplies it by W_y": lambda W, b, W_y, x: expit(W @ x + b),
            "W_y is transposed; (16) is W_y h": lambda W, b, W_y, x: W_y.T @ expit(W @ x + b),
        },
    ),
    Task(
        "gradients",
        SIGNAL,
        ["δW", "δb", "δW_y"],
        cost_slopes,
        {
            "σ' is missing in δh̄": lambda *given: written_out(*given, f_derivative=np.ones_like),
            "σ' is taken of h; (8) takes it of h̄": (
                lambda *given: written_out(*given, f_derivative=derivative_at_output)
            ),
            "σ stands where σ' should, in δh̄": lambda *given: written_out(
                *given, f_derivative=expit
            ),
            "this is of the mean over the outputs; (3) sums": (
                lambda *given: divided(written_out(*given), 5)
            ),
            "this is twice the gradient: the 2 of the square cancels the ½ of (3)": (
                lambda *given: divided(written_out(*given), 0.5)
            ),
            "W_y is not transposed in δh̄ = σ'(h̄) ⊙ (W_yᵀ Δ)": (
                lambda W, b, W_y, x, y: W_y @ (network(W, b, W_y, x) - y)
            ),
        },
    ),
    Task(
        "train",
        {**SIGNAL, "learning_rate": 0.1, "steps": 4},
        ["W", "b", "W_y"],
        trained,
        {
            "the steps go up: descent needs the minus": lambda *given: trained(*given, sign=1),
            "there is one step too few": lambda *given: trained(*given, more=-1),
            "there is one step too many": lambda *given: trained(*given, more=1),
            "there is only one step; is `return` inside the loop?": (
                lambda *given: trained(*given, more=-3)
            ),
            "W and b see a W_y that has moved; compute all three gradients, then move": (
                lambda *given: trained(*given, output_first=True)
            ),
            "all steps use the gradients at the start; compute them anew in the loop": (
                lambda *given: trained(*given, once=True)
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("cosine", task)

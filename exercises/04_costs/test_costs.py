"""Grades costs.py by scikit-learn and by central differences."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss, mean_squared_error

from exercises.grader import Task, check, slopes

rng = np.random.default_rng(4)
H_BAR, Y = rng.normal(size=(4, 3)), np.eye(3)[[2, 0, 1, 1]]
OUTPUTS = {"outputs": expit(H_BAR), "Y": Y}
PRE_ACTIVATIONS = {"H_bar": H_BAR, "Y": Y}
VALUES = {"H": H_BAR, "Y": Y}


def summed_log_loss(outputs: Any, Y: Any) -> Any:
    return sum(log_loss(Y[:, k], outputs[:, k], labels=[0, 1]) for k in range(Y.shape[1]))


def summands(outputs: Any, Y: Any) -> Any:
    return -(Y * np.log(outputs) + (1 - Y) * np.log(1 - outputs))


TASKS = (
    Task(
        "squared_error",
        VALUES,
        ["cost"],
        lambda H, Y: mean_squared_error(Y, H) * Y.shape[1] / 2,
        {
            "the ½ of (3) is missing": lambda H, Y: np.sum((Y - H) ** 2) / 4,
            "this is the sum over the batch; the cost is its mean": (
                lambda H, Y: np.sum((Y - H) ** 2) / 2
            ),
            "this is the mean over outputs, too; (3) sums over the outputs of a sample": (
                lambda H, Y: np.mean((Y - H) ** 2) / 2
            ),
            "the ½ of (3) is missing, and so is the sum over outputs: this is the mean of all "
            "squares": lambda H, Y: np.mean((Y - H) ** 2),
            "the differences are not squared": lambda H, Y: np.sum(Y - H) / 8,
            "this has a row for each sample; average over the batch": (
                lambda H, Y: np.sum((Y - H) ** 2, axis=1) / 2
            ),
        },
    ),
    Task(
        "squared_error_gradient",
        VALUES,
        ["Δ"],
        lambda H, Y: slopes(lambda H: mean_squared_error(Y, H) * Y.size / 2, H),
        {
            "the sign is wrong: (4) is h − y, not y − h": lambda H, Y: Y - H,
            "the 2 of the square cancels the ½: (4) is h − y": lambda H, Y: 2 * (H - Y),
            "this is divided by the number of samples; that comes later": lambda H, Y: (H - Y) / 4,
            "this is the cost; its gradient is h − y": lambda H, Y: (H - Y) ** 2 / 2,
        },
    ),
    Task(
        "cross_entropy",
        OUTPUTS,
        ["cost"],
        summed_log_loss,
        {
            "the minus in front of the sum is missing": lambda o, Y: -summands(o, Y).sum() / 4,
            "the second half of (18) is missing: (1 − y) ln(1 − o)": (
                lambda o, Y: -np.sum(Y * np.log(o)) / 4
            ),
            "this is the sum over the batch; the cost is its mean": (
                lambda o, Y: summands(o, Y).sum()
            ),
            "this is the mean over outputs, too; (18) sums over the outputs of a sample": (
                lambda o, Y: summands(o, Y).mean()
            ),
            "ln is np.log, not np.log10": lambda o, Y: summands(o, Y).sum() / 4 / np.log(10),
            "ln is np.log, not np.log2": lambda o, Y: summands(o, Y).sum() / 4 / np.log(2),
            "y and o are exchanged: the logarithms are of the outputs": (
                lambda o, Y: summands(Y, o).sum() / 4
            ),
        },
    ),
    Task(
        "cross_entropy_gradient",
        PRE_ACTIVATIONS,
        ["gradient"],
        lambda H, Y: slopes(lambda H: summands(expit(H), Y).sum(), H),
        {
            "the sign is wrong: (19) is σ(h̄) − y": lambda H, Y: Y - expit(H),
            "σ is missing: (19) is σ(h̄) − y": lambda H, Y: H - Y,
            "σ' is in it twice: (19) holds it already": (
                lambda H, Y: (expit(H) - Y) * expit(H) * (1 - expit(H))
            ),
            "σ is applied twice": lambda H, Y: expit(expit(H)) - Y,
            "this is divided by the number of samples; that comes later": (
                lambda H, Y: (expit(H) - Y) / 4
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("costs", task)

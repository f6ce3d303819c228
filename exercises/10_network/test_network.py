"""Grades network.py by scikit-learn and by central differences."""

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn.neural_network import MLPClassifier

from exercises.grader import Task, check, slopes

rng = np.random.default_rng(10)
SIZES = (5, 4, 3, 2)
LAYERS = [(rng.normal(size=(m, n)), rng.normal(size=m)) for n, m in itertools.pairwise(SIZES)]
X, Y = rng.normal(size=(6, 5)), np.eye(2)[[0, 1, 1, 0, 1, 0]]


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def by_scikit_learn(layers: Any, X: Any) -> Any:
    """Return the outputs of MLPClassifier, which are logistic for labels like Y."""
    network = MLPClassifier(SIZES[1:-1], activation="relu", solver="sgd", max_iter=1)
    network.partial_fit(X, Y, classes=[0, 1])
    network.coefs_ = [W.T for W, _ in layers]
    network.intercepts_ = [b for _, b in layers]
    return network.predict_proba(X)


def forward(layers: Any, X: Any, hidden: Any = relu, last: Any = expit, bias: float = 1) -> Any:
    for number, (W, b) in enumerate(layers, start=1):
        X = (last if number == len(layers) else hidden)(X @ W.T + bias * b)
    return X


def cost_slopes(layers: Any, X: Any, Y: Any) -> Any:
    def cost(index: int, part: int, value: Any) -> Any:
        changed = [list(layer) for layer in layers]
        changed[index][part] = value
        O = forward(changed, X)  # noqa: E741 - the slide's symbol
        return -np.sum(Y * np.log(O) + (1 - Y) * np.log(1 - O)) / len(X)

    return [
        [slopes(partial(cost, index, part), layer[part]) for part in (0, 1)]
        for index, layer in enumerate(layers)
    ]


def backward(
    layers: Any,
    X: Any,
    Y: Any,
    *,
    count: int = 6,
    derivative: Any = lambda H_bar: H_bar > 0,
    last: Any = lambda H_bar, Y: expit(H_bar) - Y,
    of_input: Any = lambda H, H_bar: H,
) -> Any:
    """Return gradients with a mistake.

    Args:
        layers: the network.
        X: inputs.
        Y: labels.
        count: what the last layer's error is divided by.
        derivative: of the hidden layers' activation, at H_bar.
        last: the last layer's error.
        of_input: what δW takes for a layer's input, of that input and of its H_bar.
    """
    passed = []
    for W, b in layers:
        passed.append((X, X @ W.T + b))
        X = relu(passed[-1][1])
    delta = last(passed[-1][1], Y) / count
    gradients: list[Any] = []
    for index in reversed(range(len(layers))):
        H, _ = passed[index]
        before = passed[index - 1][1] if index else H
        gradients.insert(0, (delta.T @ of_input(H, before), delta.sum(axis=0)))
        delta = derivative(before) * (delta @ layers[index][0])
    return gradients


TASKS = (
    Task(
        "outputs",
        {"layers": LAYERS, "X": X},
        ["outputs"],
        by_scikit_learn,
        {
            "σ is missing at the end": lambda layers, X: forward(layers, X, last=lambda x: x),
            "the last layer has ReLU, too; it needs σ": (
                lambda layers, X: forward(layers, X, last=relu)
            ),
            "the hidden layers have σ; they need ReLU": (
                lambda layers, X: forward(layers, X, hidden=expit)
            ),
            "the hidden layers have no ReLU": (
                lambda layers, X: forward(layers, X, hidden=lambda x: x)
            ),
            "there are ReLU and σ at the end; σ is enough": (
                lambda layers, X: forward(layers, X, last=lambda x: expit(relu(x)))
            ),
            "the biases are missing": lambda layers, X: forward(layers, X, bias=0),
            "this ends before the last layer": lambda layers, X: forward(layers[:-1], X, last=relu),
        },
    ),
    Task(
        "gradients",
        {"layers": LAYERS, "X": X, "Y": Y},
        ["δW1", "δb1", "δW2", "δb2", "δW3", "δb3"],
        cost_slopes,
        {
            "this is of the sum over the batch; divide (19) by the number of samples": (
                lambda *given: backward(*given, count=1)
            ),
            "this is divided by the number of samples twice": (
                lambda *given: backward(*given, count=36)
            ),
            "this is divided by the number of outputs, too; (18) sums over them": (
                lambda *given: backward(*given, count=12)
            ),
            "ReLU' is missing: δH_bar of a hidden layer is ReLU'(H_bar) ⊙ Δ": (
                lambda *given: backward(*given, derivative=np.ones_like)
            ),
            "the hidden layers' derivative is σ'; they have ReLU": (
                lambda *given: backward(*given, derivative=lambda x: expit(x) * expit(-x))
            ),
            "σ' is applied on top of (19), which holds it already": (
                lambda *given: backward(
                    *given, last=lambda H_bar, Y: (expit(H_bar) - Y) * expit(H_bar) * expit(-H_bar)
                )
            ),
            "σ is missing in (19)": lambda *given: backward(
                *given, last=lambda H_bar, Y: H_bar - Y
            ),
            "δW uses the previous layer's H_bar as this layer's input, which is ReLU of it": (
                lambda *given: backward(*given, of_input=lambda H, before: before)
            ),
            "the layers are in reverse order; the first one comes first": (
                lambda *given: backward(*given)[::-1]
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("network", task)

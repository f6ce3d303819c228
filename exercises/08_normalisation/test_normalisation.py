"""Grades normalisation.py by scikit-learn."""

from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from exercises.grader import Task, check

rng = np.random.default_rng(8)
TRAIN = rng.normal(3, [1, 2, 5], (6, 3))
TEST = rng.normal(2, 3, (4, 3))
CONSTANT = np.full((6, 1), 7.0)


def by_scikit_learn(train: Any, test: Any) -> Any:
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def by(mean: Any, deviation: Any) -> Any:
    """Return a function that normalises by statistics (of the training set, by default)."""

    def normalise(train: Any, test: Any) -> Any:
        return tuple((X - mean(train)) / deviation(train) for X in (train, test))

    return normalise


def mean(X: Any) -> Any:
    return X.mean(axis=0)


def deviation(X: Any) -> Any:
    return X.std(axis=0)


def nothing(X: Any) -> Any:
    return 0.0


def one(X: Any) -> Any:
    return 1.0


def each_by_itself(train: Any, test: Any) -> Any:
    return tuple((X - mean(X)) / deviation(X) for X in (train, test))


def by_both(train: Any, test: Any) -> Any:
    both = np.concatenate([train, test])
    return tuple((X - mean(both)) / deviation(both) for X in (train, test))


TASKS = (
    Task(
        "normalise",
        {"train": TRAIN, "test": TEST},
        ["normalised training set", "normalised test set"],
        by_scikit_learn,
        {
            "the mean is missing: (20) subtracts μ first": by(nothing, deviation),
            "σ is missing: (20) divides by it": by(mean, one),
            "μ is added; (20) subtracts it": by(lambda X: -mean(X), deviation),
            "this divides by the variance; σ is its root": by(mean, lambda X: X.var(axis=0)),
            "this multiplies by σ; (20) divides by it": by(mean, lambda X: 1 / deviation(X)),
            "this σ divides by N − 1; here it is the root of the mean, ddof=0": by(
                mean, lambda X: X.std(axis=0, ddof=1)
            ),
            "this is one μ and σ for all features; here each has its own, axis=0": by(
                np.mean, np.std
            ),
            "brackets are missing: X − μ / σ divides μ alone": (
                lambda train, test: tuple(X - mean(train) / deviation(train) for X in (train, test))
            ),
            "the test set is normalised by its own statistics; it needs the training set's": (
                each_by_itself
            ),
            "μ and σ are of both sets together; take the training set's alone": by_both,
            "the test set is unchanged; it needs the training set's μ and σ, too": (
                lambda train, test: (by_scikit_learn(train, test)[0], test)
            ),
        },
    ),
    Task(
        "normalise",
        {"train": np.hstack([TRAIN, CONSTANT]), "test": np.hstack([TEST, 1 + CONSTANT[:4]])},
        ["normalised training set", "normalised test set"],
        by_scikit_learn,
        {
            "feature 3 never changes in the training set, so its σ is 0; divide by 1 there": by(
                mean, deviation
            ),
            "feature 3 never changes in the training set, and dividing by a small number makes "
            "the test set's value huge; divide by 1 there": by(mean, lambda X: deviation(X) + 1e-8),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=["normalise", "normalise, a constant feature"])
def test_function(task: Task) -> None:
    check("normalisation", task)

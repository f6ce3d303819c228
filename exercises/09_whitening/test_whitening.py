"""Grades whitening.py by NumPy's covariance and scikit-learn's PCA."""

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from exercises.grader import Task, check

rng = np.random.default_rng(9)
MIX = rng.normal(size=(3, 3))
TRAIN, TEST = 2 + rng.normal(size=(8, 3)) @ MIX, rng.normal(size=(5, 3)) @ MIX


def by_scikit_learn(train: Any, test: Any, epsilon: Any) -> Any:
    pca = PCA().fit(train)
    s = pca.explained_variance_ * (len(train) - 1) / len(train)  # it divides by N − 1
    return tuple(pca.transform(X) / (np.sqrt(s) + epsilon) for X in (train, test))


def with_one_sign(results: list[Any]) -> list[Any]:
    """Turn each direction so that the training set's largest value in it is positive."""
    train, test = map(np.asarray, results)
    if train.shape != TRAIN.shape or test.shape != TEST.shape:
        return results
    signs = np.sign(train[np.abs(train).argmax(axis=0), range(train.shape[1])])
    return [train * signs, test * signs]


def mistaken(
    divisor: Any = lambda s, epsilon: np.sqrt(s) + epsilon,
    turn: Any = lambda U: (U, np.eye(3)),
    of_test: Any = lambda train, test: train,
    centred: bool = True,
) -> Any:
    """Return whitening with a mistake.

    Args:
        divisor: of s and ε.
        turn: gives the matrices before and after the division, of U.
        of_test: the samples whose statistics the test set is whitened by.
        centred: whether μ is subtracted.
    """

    def whiten(train: Any, test: Any, epsilon: Any) -> Any:
        whitened = []
        for X, known in ((train, train), (test, of_test(train, test))):
            U, s, _ = np.linalg.svd(np.cov(known.T, bias=True))
            before, after = turn(U)
            shifted = X - known.mean(axis=0) if centred else X
            whitened.append(shifted @ before / divisor(s, epsilon) @ after)
        return tuple(whitened)

    return whiten


TASKS = (
    Task(
        "covariance",
        {"X": TRAIN},
        ["C"],
        lambda X: np.cov(X.T, bias=True),
        {
            "the mean is missing: (21) subtracts μ first": lambda X: X.T @ X / len(X),
            "1/N is missing": lambda X: np.cov(X.T) * (len(X) - 1),
            "this divides by N − 1; (21) divides by N": lambda X: np.cov(X.T),
            "this divides by the number of features; (21) divides by the number of samples": (
                lambda X: np.cov(X.T, bias=True) * len(X) / X.shape[1]
            ),
            "the transpose is on the wrong side: (X − μ)ᵀ(X − μ) has shape (n, n)": (
                lambda X: (X - X.mean(axis=0)) @ (X - X.mean(axis=0)).T / len(X)
            ),
            "this is one mean for all features; each has its own, axis=0": (
                lambda X: (X - X.mean()).T @ (X - X.mean()) / len(X)
            ),
            "this is the correlation, whose diagonal is 1; (21) is not divided by deviations": (
                lambda X: np.corrcoef(X.T)
            ),
        },
    ),
    Task(
        "whiten",
        {"train": TRAIN, "test": TEST, "epsilon": 0.1},
        ["whitened training set", "whitened test set"],
        by_scikit_learn,
        {
            "U is missing: without the rotation, features stay correlated": mistaken(
                turn=lambda U: (np.eye(3), np.eye(3))
            ),
            "U is transposed: for rows it is (X − μ) U": mistaken(turn=lambda U: (U.T, np.eye(3))),
            "this turns the data back, · Uᵀ, which is called ZCA; (22) does not": mistaken(
                turn=lambda U: (U, U.T)
            ),
            "the division is missing: (22) divides by √s + ε": mistaken(lambda s, epsilon: 1.0),
            "ε is missing: (22) divides by √s + ε": mistaken(lambda s, epsilon: np.sqrt(s)),
            "ε stands under the root; (22) adds it to √s": mistaken(
                lambda s, epsilon: np.sqrt(s + epsilon)
            ),
            "the root is missing: (22) divides by √s + ε, not s + ε": mistaken(
                lambda s, epsilon: s + epsilon
            ),
            "the mean is missing: (22) subtracts μ first": mistaken(centred=False),
            "the test set is whitened by its own statistics; it needs the training set's": (
                mistaken(of_test=lambda train, test: test)
            ),
            "the test set is unchanged; it needs the training set's μ, U and s, too": (
                lambda train, test, epsilon: (by_scikit_learn(train, test, epsilon)[0], test)
            ),
        },
        aligned=with_one_sign,
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("whitening", task)

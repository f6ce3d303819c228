"""Which classes a network mistakes for which.

Convention: a module of its own, since importing scikit-learn takes a second and one stage needs it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


class ClassScore(NamedTuple):
    """Precision, recall and F1 of one class, and how many test images it has."""

    precision: float
    recall: float
    f1: float
    support: int


def class_scores(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int
) -> list[ClassScore]:
    """Return the scores of each class.

    A score that would divide by zero is 0; a class that no image is of has none, nan.
    """
    columns = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(classes), zero_division=0.0
    )
    return [
        ClassScore(float(precision), float(recall), float(f1), int(support))
        if support
        else ClassScore(math.nan, math.nan, math.nan, 0)
        for precision, recall, f1, support in zip(*columns, strict=True)
    ]


def confusion(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.int64]:
    """Return how often each class (row) was taken for each (column): shape (m, m)."""
    counts: NDArray[np.int64] = confusion_matrix(labels, predicted, labels=np.arange(classes))
    return counts

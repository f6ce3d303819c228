"""Grades one_hot.py by scikit-learn."""

from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from exercises.grader import Task, check


def by_scikit_learn(labels: Any, classes: Any) -> Any:
    encoder = OneHotEncoder(categories=[np.arange(classes)], sparse_output=False)
    return encoder.fit_transform(labels[:, np.newaxis])


TASKS = (
    Task(
        "one_hot",
        {"labels": np.array([3, 0, 2, 3, 1, 0]), "classes": 5},
        ["result"],
        by_scikit_learn,
        {
            "the ones are one place too far to the left: labels are counted from 0": (
                lambda labels, classes: np.eye(classes)[labels - 1]
            ),
            "the ones are one place too far to the right: labels are counted from 0": (
                lambda labels, classes: np.eye(classes)[(labels + 1) % classes]
            ),
            "there is no column for the last class, which no label has: use `classes`": (
                lambda labels, classes: np.eye(labels.max() + 1)[labels]
            ),
            "there are as many columns as labels: use `classes`": (
                lambda labels, classes: np.eye(len(labels))[labels]
            ),
            "there are ones where zeros should be, and zeros where ones should be": (
                lambda labels, classes: 1 - np.eye(classes)[labels]
            ),
            "the labels themselves stand where ones should be": (
                lambda labels, classes: np.eye(classes)[labels] * labels[:, np.newaxis]
            ),
        },
    ),
)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_function(task: Task) -> None:
    check("one_hot", task)

"""Exercises: the package's own functions pass, empty ones and typical mistakes get a sentence."""

import doctest
import importlib
from typing import Any

import pytest

from exercises.grader import FOLDER, Task, grade

PAGES = [path.name.partition("_")[2] for path in sorted(FOLDER.glob("[0-9]*"))]


def tasks(page: str) -> tuple[Task, ...]:
    found: tuple[Task, ...] = importlib.import_module(f"exercises.test_{page}").TASKS
    return found


def solutions(page: str) -> Any:
    return importlib.import_module(f"tests.exercises.solutions.{page}")


TASKS = [(page, task) for page in PAGES for task in tasks(page)]
MISTAKES = [
    pytest.param(task, sentence, id=f"{page}-{task}-{sentence[:60]}")
    for page, task in TASKS
    for sentence in task.mistakes
]


@pytest.mark.parametrize(("page", "task"), TASKS, ids=str)
def test_the_packages_own_functions_are_right(page: str, task: Task) -> None:
    assert grade(getattr(solutions(page), task.function), task) is None


@pytest.mark.parametrize(("task", "sentence"), MISTAKES)
def test_each_typical_mistake_gets_its_own_sentence(task: Task, sentence: str) -> None:
    assert grade(task.mistakes[sentence], task) == f"{task}: {sentence}"


@pytest.mark.parametrize("page", PAGES)
def test_the_worked_example_is_right(page: str) -> None:
    text = importlib.import_module(f"exercises.{page}").__doc__
    names = {**vars(importlib.import_module("numpy")), **vars(solutions(page))}
    example = doctest.DocTestParser().get_doctest(text or "", {"np": names}, page, None, None)
    assert example.examples

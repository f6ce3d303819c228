"""Exercises: the package's own functions pass, each typical mistake gets its own sentence."""

import ast
import doctest
import importlib
import sys
from typing import Any

import numpy as np
import pytest

from exercises.grader import FOLDER, Task, grade
from tests.declared import committed

PAGES = [path.name.partition("_")[2] for path in sorted(FOLDER.glob("[0-9]*"))]


def tasks(page: str) -> tuple[Task, ...]:
    found: tuple[Task, ...] = importlib.import_module(f"exercises.test_{page}").TASKS
    return found


def solutions(page: str) -> Any:
    return importlib.import_module(f"tests.exercises.solutions.{page}")


TASKS = [pytest.param(page, task, id=f"{page}-{task}") for page in PAGES for task in tasks(page)]
MISTAKES = [
    pytest.param(task, sentence, id=f"{task}-{number}")
    for page in PAGES
    for task in tasks(page)
    for number, sentence in enumerate(task.mistakes)
]


@pytest.mark.parametrize(("page", "task"), TASKS)
def test_the_packages_own_functions_are_right(page: str, task: Task) -> None:
    assert grade(getattr(solutions(page), task.function), task) is None


@pytest.mark.parametrize(("task", "sentence"), MISTAKES)
def test_each_typical_mistake_gets_its_own_sentence(task: Task, sentence: str) -> None:
    assert grade(task.mistakes[sentence], task) == f"{task}: {sentence}"


@pytest.mark.parametrize("page", PAGES)
def test_worked_examples_are_right(page: str) -> None:
    """The numbers on the page are what the package's own functions give."""
    names = {"np": np, **vars(solutions("activations")), **vars(solutions(page))}
    (path,) = FOLDER.glob(f"*/{page}.py")
    text = ast.get_docstring(ast.parse(committed(path))) or ""
    example = doctest.DocTestParser().get_doctest(text, names, page, None, None)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


# --- whatever a function may do, of a layer and of its gradients ---

DENSE, (_, GRADIENTS) = tasks("dense")[0], tasks("gradients")


def changed(W: Any, b: Any, X: Any) -> Any:
    W -= 1
    return X @ W.T + b


def right(W: Any, b: Any, X: Any) -> Any:
    return X @ W.T + b


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (None, "the page has no such function; keep the names that were there"),
        (lambda W, b, X: None, "your H_bar is None; does the function end with `return`?"),
        (lambda W, b, X: "H", "your H_bar is of type str; expected shape (4, 3)"),
        (lambda W, b, X: {1: W}, "your H_bar is of type dict; expected shape (4, 3)"),
        (lambda W, b, X: 1j * right(W, b, X), "your H_bar is of type ndarray; expected"),
        (lambda W, b, X: right(W, b, X).astype(object), "your H_bar is of type ndarray; expected"),
        (lambda W, b, X: right(W, b, X) > 0, "your H_bar is True or False; make numbers of it"),
        (lambda W, b, X: 1, "your H_bar has the wrong shape: expected shape (4, 3), got a number"),
        (lambda W, b, X: right(W, b, X)[1:], "the wrong shape: expected shape (4, 3), got (3, 3)"),
        (lambda W, b, X: right(W, b, X).T, "is transposed: expected shape (4, 3), got (3, 4)"),
        (lambda W, b, X: -right(W, b, X), "your H_bar has the wrong sign"),
        (lambda W, b, X: 0.5 * right(W, b, X), "your H_bar is 0.5 times what it should be"),
        (lambda W, b, X: np.nan * right(W, b, X), "your H_bar is nan at [0, 0]; expected"),
        (
            lambda W, b, X: right(W, b, X) + np.eye(4, 3),
            "is wrong in 3 of 12 entries, first at",
        ),
        (lambda W, b, X: 0 * right(W, b, X), "your H_bar is wrong in 12 of 12 entries"),
        (lambda W, b, X: (W, b), "returns (value, value), expected H_bar"),
        (lambda W, b, X: [[1.0, 2.0]], "returns ((value, value)), expected H_bar"),
        (lambda W, b, X: list(range(99)), "value, ...), expected H_bar"),
        (lambda W, b: W, "takes 2 positional arguments but 3 were given"),
        (lambda W, b, X: sys.exit("bye"), "SystemExit: bye"),
        (
            lambda W, b, X: compile("X @", "", "eval"),
            "the function stops with SyntaxError: invalid",
        ),
        (changed, "changes an argument; make a new array instead, as in W = W - 1"),
    ],
)
def test_whatever_a_function_does_is_one_line(function: Any, complaint: str) -> None:
    line = grade(function, DENSE)
    assert line is not None
    assert complaint in line
    assert "\n" not in line


def test_what_is_transposed_is_named_with_both_shapes() -> None:
    line = grade(lambda W, X, delta: (X.T @ delta, delta.sum(axis=0), delta @ W), GRADIENTS)
    assert line == "dense_gradients: your δW is transposed: expected shape (3, 5), got (5, 3)"


def test_two_mistakes_at_once_are_named_one_after_the_other() -> None:
    both = grade(lambda W, X, delta: (-delta.T @ X, delta, delta @ W), GRADIENTS)
    assert both == "dense_gradients: your δW has the wrong sign"
    one = grade(lambda W, X, delta: (delta.T @ X, delta, delta @ W), GRADIENTS)
    assert one is not None
    assert "your δb still has a row for each sample" in one


def test_numbers_of_any_kind_will_do() -> None:
    assert grade(lambda W, b, X: right(W, b, X).astype(np.float32), DENSE) is None
    (perceptron,) = tasks("perceptron")
    assert grade(lambda *_: np.array(0.7772998611746911), perceptron) is None
    assert grade(lambda labels, n: np.eye(n, dtype=int)[labels], tasks("one_hot")[0]) is None


def test_a_function_may_print_and_warn(recwarn: pytest.WarningsRecorder) -> None:
    (sigmoid, *_) = tasks("activations")
    assert grade(lambda x: 1 / (1 + np.exp(-x)), sigmoid) is None  # overflows, and is right
    assert not recwarn.list

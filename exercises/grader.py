"""Grades a student's functions, and says in one line what is wrong.

Convention: a `Task` has an independent reference, and typical mistakes as functions. All are called
with the task's arguments, which are chosen so that no two results are equal. A student's result
thus shows which mistake was made.
"""

from __future__ import annotations

import importlib
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

FOLDER = Path(__file__).parent
# References are exact to some nine digits: most are central differences.
RELATIVE, ABSOLUTE = 1e-6, 1e-7
STEP = 1e-6
SECONDS = 20  # for one function; a loop that never ends takes longer

VALUE = "value"  # stands for a result that is neither a tuple nor a list
MOST_SHOWN = 10
# NumPy's message when inner sizes differ.
MISMATCH = re.compile(r"matmul: .* mismatch in its core dimension .* signature \S+")

Result = np.ndarray
Function = Callable[..., Any]


@dataclass(frozen=True)
class Task:
    """A function to fill in, and how it is graded.

    Attributes:
        function: its name on the page.
        arguments: what it is called with, by name. Arrays in it are made read-only.
        returns: names of the arrays or numbers that it returns.
        right: the independent reference.
        mistakes: functions with typical mistakes, by the sentence that explains the mistake.
        aligned: removes arbitrary differences from results, such as the signs of singular vectors.
    """

    function: str
    arguments: Mapping[str, Any]
    returns: Sequence[str]
    right: Function
    mistakes: Mapping[str, Function]
    aligned: Callable[[list[Result]], list[Result]] = lambda results: results

    def __post_init__(self) -> None:
        for array in _flat(list(self.arguments.values())):
            if isinstance(array, np.ndarray):
                array.setflags(write=False)

    def __str__(self) -> str:
        return self.function


def check(page: str, task: Task) -> None:
    """Fail in one line unless the page's function is right.

    Args:
        page: name of its module, such as `gradients`.
        task: how it is graded.
    """
    complaint = complaint_about(page, task)
    if complaint is not None:
        pytest.fail(complaint, pytrace=False)


def complaint_about(page: str, task: Task) -> str | None:
    """Return what is wrong with a page's function, in one line; None if it is right."""
    try:
        with _quietly():
            module = importlib.import_module(f"exercises.{page}")
    except (Exception, SystemExit) as error:
        return in_words(error)
    return grade(getattr(module, task.function, None), task)


def grade(function: Function | None, task: Task) -> str | None:
    """Return what is wrong with a function, in one line; None if it is right."""
    if not callable(function):
        return f"{task.function}: the page has no such function; keep the names that were there"
    given, right = _called(function, task), _called(task.right, task)
    mistaken = {sentence: _called(mistake, task) for sentence, mistake in task.mistakes.items()}
    if given.error is not None:
        for sentence, other in mistaken.items():
            if repr(other.error) == repr(given.error):
                return f"{task.function}: {sentence}"
        return in_words(given.error, task.arguments)
    if given.form != right.form:
        names = iter(task.returns)
        expected = re.sub(VALUE, lambda _: next(names), right.form)
        array = "; np.array makes an array of a list" if right.form == VALUE else ""
        return f"{task.function}: returns {given.form}, expected {expected}{array}"
    for index, (name, value) in enumerate(zip(task.returns, given.values, strict=True)):
        others = {
            sentence: other.values[index]
            for sentence, other in mistaken.items()
            if other.form == right.form
        }
        complaint = _complaint(f"your {name}", value, right.values[index], others)
        if complaint is not None:
            return f"{task.function}: {complaint}"
    return None


def in_words(error: BaseException, arguments: Mapping[str, Any] | None = None) -> str:
    """Return one line that names an error in a student's page, and its place.

    Args:
        error: caught where the page was imported or its function called.
        arguments: what the function was called with, by name.
    """
    if isinstance(error, SyntaxError) and _is_page(error.filename or ""):
        where = f"{_page(error.filename or '')}, line {error.lineno}"
        return f"{where}: `{(error.text or '').strip()}`: {error.msg}"
    called = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in called if _is_page(frame.filename)]
    where = "the function"
    if frames:
        line, page = frames[-1], _page(frames[-1].filename)
        if isinstance(error, NotImplementedError):
            return f"{line.name} in {page} is not filled in yet"
        where = f"{page}, line {line.lineno}: `{line.line}`"
    if "read-only" in str(error):
        return f"{where} changes an argument; make a new array instead, as in W = W - 1"
    if isinstance(error, pytest.fail.Exception):
        return f"{where} was still busy after {SECONDS} seconds; is there a loop that never ends?"
    text = MISMATCH.sub("the inner sizes of a product with @ differ", " ".join(str(error).split()))
    what = f"{where} stops with {type(error).__name__}: {text}"
    shapes = [
        f"{name} has shape {value.shape}"
        for name, value in (arguments or {}).items()
        if isinstance(value, np.ndarray)
    ]
    return f"{what}; {', '.join(shapes)}" if shapes else what


def _page(file: str) -> str:
    return os.path.relpath(file, FOLDER.parent)


def _is_page(file: str) -> bool:
    path = Path(file)
    return path.parent.parent == FOLDER and not path.name.startswith("test_")


def slopes(cost: Callable[[Result], float], at: Result) -> Result:
    """Return the derivative of a cost by each entry of `at`, by central differences."""
    derivative = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = STEP
        derivative[place] = (cost(at + step) - cost(at - step)) / (2 * STEP)
    return derivative


# --- calling -----------------------------------------------------------------------------------


@contextmanager
def _quietly() -> Iterator[None]:
    # The grader explains a wrong result; NumPy's warnings would not.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


class _Called(NamedTuple):
    """The outcome of a call: values and their grouping, or the error."""

    values: list[Any]
    form: str
    error: BaseException | None


def _called(function: Function, task: Task) -> _Called:
    try:
        with _quietly():
            returned = function(*task.arguments.values())
            values, form = _flat(returned), _form(returned)
            whole = len(values) == len(task.returns)
            return _Called(task.aligned(values) if whole else values, form, None)
    except (Exception, SystemExit, pytest.fail.Exception) as error:
        return _Called([], "", error)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [entry for part in value for entry in _flat(part)]
    return [value]


def _form(value: Any) -> str:
    """Return how values are grouped, such as `((value, value), value)`."""
    if not isinstance(value, (tuple, list)):
        return VALUE
    parts = [_form(part) for part in value[:MOST_SHOWN]]
    return f"({', '.join(parts)}{', ...' if len(value) > MOST_SHOWN else ''})"


# --- comparing ---------------------------------------------------------------------------------


def _complaint(your: str, value: Any, right: Any, others: Mapping[str, Any]) -> str | None:
    """Return what is wrong with one result.

    Args:
        your: its name in the message.
        value: the student's result.
        right: the right one.
        others: the results of typical mistakes, by explanation.
    """
    if value is None:
        return f"{your} is None; does the function end with `return`?"
    actual, expected = np.asarray(value), np.asarray(right, np.float64)
    if actual.dtype.kind == "b":
        return f"{your} is True or False; make numbers of it, as in (x > 0).astype(float)"
    if actual.dtype.kind not in "iuf":
        return f"{your} is of type {type(value).__name__}; expected {_shape(expected)}"
    if _same(actual, expected):
        return None
    for sentence, other in others.items():
        if not _same(other, expected) and _same(actual, other):
            return sentence
    if actual.shape != expected.shape:
        transposed = actual.ndim == 2 and actual.shape == expected.shape[::-1]
        what = "is transposed" if transposed else "has the wrong shape"
        got = actual.shape if expected.ndim and actual.ndim else _shape(actual)
        return f"{your} {what}: expected {_shape(expected)}, got {got}"
    return _complaint_about_numbers(your, actual.astype(np.float64), expected)


def _complaint_about_numbers(your: str, actual: Result, expected: Result) -> str:
    if not np.isfinite(actual).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(actual))[0]))
        what = f"{actual[place]}{_at(place)}; expected {expected[place]:.6g}"
        return f"{your} is {what}; is something divided by 0, or is an e^x too large?"
    if _same(actual, -expected):
        return f"{your} has the wrong sign"
    factor = float(np.vdot(actual, expected) / np.vdot(expected, expected))
    if factor and _same(actual, factor * expected):
        return f"{your} is {factor:.6g} times what it should be"
    wrong = np.argwhere(~np.isclose(actual, expected, RELATIVE, ABSOLUTE))
    place = tuple(map(int, wrong[0]))
    first = f"expected {expected[place]:.6g}, got {actual[place]:.6g}"
    if not place:
        return f"{your} is wrong: {first}"
    return f"{your} is wrong in {len(wrong)} of {actual.size} entries, first{_at(place)}: {first}"


def _same(first: Any, second: Any) -> bool:
    return np.shape(first) == np.shape(second) and np.allclose(
        np.asarray(first, np.float64), second, RELATIVE, ABSOLUTE, equal_nan=True
    )


def _shape(array: Result) -> str:
    return f"shape {array.shape}" if array.ndim else "a number"


def _at(place: tuple[int, ...]) -> str:
    return f" at [{', '.join(map(str, place))}]" if place else ""

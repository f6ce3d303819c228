"""The next call is made while the last result is used, and none after the last."""

import threading
from functools import partial

import pytest

from pipeline.network.ahead import one_ahead


def test_results_come_in_turn() -> None:
    assert list(one_ahead(partial(pow, n, 2) for n in range(5))) == [0, 1, 4, 9, 16]
    assert list(one_ahead([])) == []


def test_the_next_call_is_made_while_a_result_is_used() -> None:
    made = [threading.Event() for _ in range(3)]
    results = one_ahead(event.set for event in made)
    next(results)
    assert made[1].wait(10)  # by the thread, while we hold the first result
    assert not made[2].is_set()


def test_what_a_call_raises_is_raised_in_its_turn() -> None:
    results = one_ahead([partial(int, "7"), partial(int, "x")])
    assert next(results) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        next(results)

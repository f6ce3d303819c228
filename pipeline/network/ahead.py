"""Doing the next thing while somebody is busy with the last one.

Convention: a thread serves, since NumPy lets other threads run while it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(calls: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
    """Yield what each call returns, in turn, while a thread makes the next one.

    Closing it waits for the call that was begun.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        begun = (thread.submit(call) for call in calls)
        following = next(begun, None)
        while following is not None:
            result = following.result()
            following = next(begun, None)
            yield result

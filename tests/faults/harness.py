"""Let the k-th step of writing fail, for k = 1, 2, ... until the work gets through.

A step is what can go wrong in `pipeline.base.files.write_bytes`: making the temporary file,
flushing it to the disk, renaming; and removing a file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STEPS: tuple[tuple[Any, str], ...] = (
    (Path, "open"),
    (os, "fsync"),
    (os, "replace"),
    (os, "unlink"),
)


class Counter:
    """How many steps were made, and which of them fails."""

    def __init__(self, failing: int) -> None:
        self.made, self.failing = 0, failing

    def step(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, failing as a full disk does when its turn comes."""

        def counted(*arguments: Any, **named: Any) -> Any:
            if function.__name__ == "open" and "xb" not in arguments:
                return function(*arguments, **named)  # of a file that is read
            self.made += 1
            if self.made == self.failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments, **named)

        return counted


@contextmanager
def step_fails(number: int) -> Iterator[Counter]:
    """Let step `number` fail; none beyond those that are made."""
    counter = Counter(number)
    before = [(module, name, getattr(module, name)) for module, name in STEPS]
    for module, name, function in before:
        setattr(module, name, counter.step(function))
    try:
        yield counter
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def faults(
    work: Callable[[Path], object], fresh: Callable[[str], Path], look: Callable[[Path], object]
) -> int:
    """Let every step of `work` fail once; returns how many faults were caused.

    Args:
        work: done in a folder.
        fresh: makes a folder to work in, by name.
        look: what is left there; after each fault and a plain rerun, what it is without faults.
    """
    undisturbed = fresh("undisturbed")
    work(undisturbed)
    expected = look(undisturbed)
    number = 0
    while True:
        number += 1
        folder = fresh(f"fault-{number}")
        with step_fails(number) as counter:
            try:
                work(folder)
            except OSError as error:
                assert error.errno == errno.ENOSPC
        if counter.made < number:
            return number - 1
        work(folder)
        assert look(folder) == expected, f"after fault {number}"

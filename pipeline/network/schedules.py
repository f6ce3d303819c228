"""Schedules of the step size.

Convention: epochs are counted from 1; a schedule's factor multiplies `learning_rate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def constant(epoch: int, epochs: int) -> float:
    """Return 1."""
    return 1.0


def halving(epoch: int, epochs: int) -> float:
    """Return 2^−(epoch − 1): the step size halves after each epoch."""
    return 0.5 ** (epoch - 1)


def cosine(epoch: int, epochs: int) -> float:
    """Return ½ (1 + cos(π (epoch − 1) / epochs)): Loshchilov and Hutter, SGDR, 2017, (5)."""
    # Rounded, since mathematical libraries differ in a cosine's last digit.
    return round(0.5 * (1 + math.cos(math.pi * (epoch - 1) / epochs)), 12)


SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": constant,
    "halving": halving,
    "cosine": cosine,
}

"""The training loop: epochs of gradient descent, each followed by an evaluation.

Convention: `train` yields after every epoch and keeps no history; who calls it decides what is
written down. Given the same arguments it yields the same numbers, also when it goes on from an
earlier epoch's network.

While an epoch is evaluated and written down, a thread takes the steps of the next one. Where a core
is idle, as when a sweep's last seed trains alone, that makes training up to a fifth faster.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from pipeline.network.ahead import one_ahead
from pipeline.network.dense import Layer, Network
from pipeline.network.descent import SCHEDULES
from pipeline.network.descent_in_place import DescentInPlace
from pipeline.network.evaluation import Score, score
from pipeline.network.inputs import Examples
from pipeline.network.randomness import generator


class Epoch(NamedTuple):
    """What is known after an epoch, counted from 1."""

    number: int
    learning_rate: float
    train: Score
    validation: Score
    network: Network
    velocity: tuple[Layer, ...]


class Start(NamedTuple):
    """Where to go on from: the state after `epoch` epochs."""

    epoch: int
    network: Network
    velocity: tuple[Layer, ...] | None


class Diverged(ArithmeticError):
    """The loss is no longer a finite number."""


def train(
    start: Start,
    train_examples: Examples,
    validation_examples: Examples,
    *,
    seed: int,
    cost: str,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    schedule: str = "constant",
    momentum: float = 0.0,
) -> Iterator[Epoch]:
    """Descend along the gradients, epoch by epoch.

    Args:
        start: the first network with epoch 0, or a later epoch's to go on from.
        train_examples: what gradients are taken of.
        validation_examples: evaluated after every epoch, never learned from.
        seed: the order of every epoch is drawn from `generator(seed, "order", epoch)`.
        cost: a name in `pipeline.network.costs.COSTS`.
        epochs: in all, those before `start` included.
        batch_size: samples a step; an epoch's last step takes what is left.
        learning_rate: the first step size ε of (17).
        schedule: a name in `pipeline.network.descent.SCHEDULES`.
        momentum: μ, 0 ≤ μ < 1.

    Yields:
        The state after each epoch.

    Raises:
        Diverged: the loss after an epoch is not finite; names epoch and step size.
    """
    descent = DescentInPlace(
        start.network,
        cost=cost,
        batch_size=batch_size,
        momentum=momentum,
        velocity=start.velocity,
    )

    def descend(number: int) -> _Descended:
        step_size = learning_rate * SCHEDULES[schedule](number, epochs)
        order = generator(seed, "order", number).permutation(len(train_examples.Y))
        with _overflowing():
            descent.epoch(train_examples, order, step_size)
        return _Descended(number, step_size, descent.network, descent.velocity)

    numbers = range(start.epoch + 1, epochs + 1)
    # Closed from right to left: what is left of an epoch that nobody wants is not waited for.
    with closing(one_ahead(partial(descend, n) for n in numbers)) as descended, closing(descent):
        for number, step_size, network, velocity in descended:
            with _overflowing():
                on_train = score(network, train_examples, cost)
                on_validation = score(network, validation_examples, cost)
            if not math.isfinite(on_train.loss + on_validation.loss):
                raise Diverged(
                    f"the loss is {on_train.loss} after epoch {number} with step size "
                    f"{step_size:g}; try a smaller training.learning_rate"
                )
            yield Epoch(number, step_size, on_train, on_validation, network, velocity)


class _Descended(NamedTuple):
    """What an epoch's steps lead to."""

    number: int
    learning_rate: float
    network: Network
    velocity: tuple[Layer, ...]


def _overflowing() -> np.errstate:
    # A diverging network overflows on its way; its losses are what tells.
    return np.errstate(over="ignore", invalid="ignore")

"""The training loop: epochs of gradient descent, each followed by an evaluation.

Convention: `train` yields after every epoch and keeps no history; its caller decides what to keep.
Given the same arguments it yields the same numbers, also when it resumes from an earlier epoch.

While an epoch is evaluated and recorded, a thread takes the steps of the next one. If a core is
idle, that makes training up to a fifth faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.network import descent as readable
from pipeline.network.dense import Layer, Network
from pipeline.network.evaluation import Score, score
from pipeline.network.randomness import generator
from pipeline.network.schedules import SCHEDULES
from pipeline.network.settings import Training


class Labelled(Protocol):
    """Examples with labels; a `Descent` knows what else its examples hold."""

    @property
    def labels(self) -> NDArray[np.integer[Any]]:
        """The class of each, shape (N,)."""


E = TypeVar("E", bound=Labelled)


class Descent(NamedTuple, Generic[E]):
    """An implementation of training: readable or compiled.

    Attributes:
        epoch: takes the steps of an epoch, as `pipeline.network.descent.epoch` does.
        score: measures a network, as `pipeline.network.evaluation.score` does.
    """

    epoch: Callable[
        [Network, tuple[Layer, ...] | None, E, Iterable[NDArray[np.int64]], Training, float],
        tuple[Network, tuple[Layer, ...]],
    ]
    score: Callable[[Network, E, str], Score]


READABLE = Descent(readable.epoch, score)


class Epoch(NamedTuple):
    """The state after an epoch; epochs are counted from 1."""

    number: int
    learning_rate: float
    train: Score
    validation: Score
    network: Network
    velocity: tuple[Layer, ...]


class Start(NamedTuple):
    """The state to start or resume from, after `epoch` epochs."""

    epoch: int
    network: Network
    velocity: tuple[Layer, ...] | None


class Diverged(ArithmeticError):
    """The loss is no longer a finite number."""


def train(
    start: Start,
    train_examples: E,
    validation_examples: E,
    training: Training,
    *,
    seed: int,
    descent: Descent[E],
) -> Iterator[Epoch]:
    """Train a network, epoch by epoch.

    Args:
        start: the initial network with epoch 0, or the state after a later epoch.
        train_examples: those that the gradients are computed from.
        validation_examples: evaluated after every epoch, never learned from.
        training: the settings; `epochs` includes those before `start`.
        seed: the order of every epoch is drawn from `generator(seed, "order", epoch)`.
        descent: the implementation: `READABLE`, or `pipeline.engine.descent.COMPILED`.

    Yields:
        The state after each epoch.

    Raises:
        Diverged: the loss after an epoch is not finite; the message names epoch and step size.
    """
    closed = Event()
    epochs, cost = training.epochs, training.cost

    def batches(number: int) -> Iterator[NDArray[np.int64]]:
        count = len(train_examples.labels)
        order = generator(seed, "order", number).permutation(count)
        for begin in range(0, count, training.batch_size):
            if closed.is_set():
                return
            yield order[begin : begin + training.batch_size]

    def descend(
        number: int, network: Network, velocity: tuple[Layer, ...] | None
    ) -> tuple[float, tuple[Network, tuple[Layer, ...]]]:
        """Return the step size, and the network and velocity after an epoch's steps."""
        step_size = training.learning_rate * SCHEDULES[training.schedule](number, epochs)
        with _overflowing():
            return step_size, descent.epoch(
                network, velocity, train_examples, batches(number), training, step_size
            )

    with ThreadPoolExecutor(max_workers=1) as thread:
        network, velocity = start.network, start.velocity
        following = thread.submit(descend, start.epoch + 1, network, velocity)
        try:
            for number in range(start.epoch + 1, epochs + 1):
                step_size, (network, velocity) = following.result()
                if number < epochs:
                    following = thread.submit(descend, number + 1, network, velocity)
                with _overflowing():
                    on_train = descent.score(network, train_examples, cost)
                    on_validation = descent.score(network, validation_examples, cost)
                for loss in (on_train.loss, on_validation.loss):
                    if not math.isfinite(loss):
                        smaller = "training.learning_rate"
                        if training.weight_decay:
                            smaller += " or training.weight_decay"
                        raise Diverged(
                            f"the loss is {loss} after epoch {number} with step size "
                            f"{step_size:g}; try a smaller {smaller}"
                        )
                yield Epoch(number, step_size, on_train, on_validation, network, velocity)
        finally:
            closed.set()  # ends the epoch that the thread computes; it is not needed


def _overflowing() -> np.errstate:
    # Numbers of a diverging network overflow; the check of its loss reports that.
    return np.errstate(over="ignore", invalid="ignore")

"""The settings of a network and its training, with their allowed values.

Convention: the functions below return the metadata of fields; names come from registries such as
`ACTIVATIONS`. A default leaves the lecture's equations unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.network.activations import ACTIVATIONS, SINGLE
from pipeline.network.costs import COSTS
from pipeline.network.initialisers import BIAS_INITIALISERS, WEIGHT_INITIALISERS
from pipeline.network.schedules import SCHEDULES


class Range(NamedTuple):
    """The values that a setting may have.

    Attributes:
        allowed: a description of them.
        holds: tells whether a value, of any type, is one of them.
    """

    allowed: str
    holds: Callable[[Any], bool]


Metadata = Mapping[str, Range]


def allow(allowed: str, holds: Callable[[Any], bool]) -> Metadata:
    """Return the metadata of a field with this range."""
    return {"range": Range(allowed, holds)}


def one_of(registry: Iterable[str]) -> Metadata:
    """Allow the names in a registry."""
    names = tuple(registry)
    return allow(f"one of {', '.join(names)}", lambda value: value in names)


def whole(lowest: int, highest: int) -> Metadata:
    """Allow whole numbers, both ends included."""
    # bool is a subclass of int, but `seed=true` is a mistake.
    return allow(
        f"a whole number from {lowest} to {highest}",
        lambda value: type(value) is int and lowest <= value <= highest,
    )


# scikit-learn's and NumPy's legacy generators take no larger seed.
SEED = whole(0, 2**32 - 1)


def number(
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Metadata:
    """Allow numbers in an interval, with the ends lowest and highest, without above and below."""
    low = f"above {above:g}" if math.isfinite(above) else f"from {lowest:g}"
    high = f"below {below:g}" if math.isfinite(below) else f"to {highest:g}"
    # NaN is refused, since every comparison with it is false; and -0.0, which gives the results
    # of 0.0 but would have another identity.
    return allow(
        f"a number {low} {high}",
        lambda value: (
            type(value) is float
            and (lowest <= value <= highest and above < value < below and str(value) != "-0.0")
        ),
    )


def several(entries: Metadata, example: list[Any], *, once: bool = False) -> Metadata:
    """Allow lists with at least one entry; with `once`, without duplicates."""
    entry = entries["range"]
    return allow(
        f"a list such as {example}, each entry {entry.allowed}{', none twice' if once else ''}",
        lambda value: (
            type(value) is list
            and len(value) > 0
            and all(map(entry.holds, value))
            and not (once and len(set(value)) < len(value))
        ),
    )


@dataclass(kw_only=True)
class Architecture:
    """A dense network (2) and its initialisation.

    Attributes:
        hidden: neurons of each hidden layer.
        activation: f of the hidden layers.
        output: f of the last layer.
        weights: initialiser of W.
        weight_limit: a of the "uniform" initialiser, U[−a, a].
        biases: initialiser of b.
    """

    hidden: list[int] = field(metadata=several(whole(1, 10**6), [256, 128]))
    activation: str = field(metadata=one_of(SINGLE))
    output: str = field(metadata=one_of(ACTIVATIONS))
    weights: str = field(metadata=one_of(WEIGHT_INITIALISERS))
    weight_limit: float = field(metadata=number(above=0.0, highest=1e6))
    biases: str = field(metadata=one_of(BIAS_INITIALISERS))


@dataclass(kw_only=True)
class Training:
    """Gradient descent (17) on a cost, (3) or (18).

    Attributes:
        cost: name of the cost.
        epochs: number of epochs.
        batch_size: samples per step; an epoch's last step takes the rest.
        learning_rate: the initial step size ε of (17).
        schedule: how the step size changes from epoch to epoch.
        momentum: μ.
        weight_decay: λ of the penalty λ/2 Σ W².
        dtype: of all numbers.
    """

    cost: str = field(metadata=one_of(COSTS))
    epochs: int = field(metadata=whole(1, 10**6))
    batch_size: int = field(metadata=whole(1, 10**9))
    learning_rate: float = field(metadata=number(above=0.0, highest=1e6))
    schedule: str = field(default="constant", metadata=one_of(SCHEDULES))
    momentum: float = field(default=0.0, metadata=number(lowest=0.0, below=1.0))
    weight_decay: float = field(default=0.0, metadata=number(lowest=0.0, highest=1e6))
    dtype: str = field(metadata=one_of(("float32", "float64")))

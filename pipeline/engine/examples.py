"""Prepares the training and validation examples of a configuration."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.prepared import PREPROCESS, Part, Prepared, load, made_for
from pipeline.data.preprocessing import AffineMap
from pipeline.engine.descent import Examples
from pipeline.engine.inputs import LARGEST_SPARSE_BATCH, RARE, inputs_of


class Ready(NamedTuple):
    """Examples as a `Descent` reads them.

    Attributes:
        train: the training examples.
        validation: the validation examples.
        inputs: number of inputs of the network.
        preprocessor: maps raw values to inputs.
    """

    train: Any
    validation: Any
    inputs: int
    preprocessor: AffineMap


def examples(config: Config, paths: Paths) -> Ready:
    """Return the examples of a configuration; cached for the next job on the same data.

    Raises:
        UserError: a file is missing or damaged.
    """
    made = str(made_for(config, PREPROCESS))
    key = (paths.root, made, config.training.dtype, _rare(config))
    with _lock:  # a launcher may run jobs in threads of one process
        if key not in _kept:
            _kept.clear()  # one data set at a time: a worker's memory does not grow
            _kept[key] = ready(config, load(config, paths))
        return _kept[key]


_kept: dict[tuple[Path, str, str, float], Ready] = {}
_lock = Lock()


def ready(config: Config, prepared: Prepared) -> Ready:
    """Return the examples of data that are loaded already."""

    def of(part: Part, rare: float) -> Examples:
        inputs = inputs_of(prepared.preprocessor, part.raw, config.training.dtype, rare=rare)
        return Examples(inputs, part.one_hot, part.labels)

    train, validation = of(prepared.train, _rare(config)), of(prepared.validation, 0.0)
    return Ready(train, validation, train.inputs.shape[1], prepared.preprocessor)


def _rare(config: Config) -> float:
    return RARE if config.training.batch_size <= LARGEST_SPARSE_BATCH else 0.0

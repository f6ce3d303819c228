"""What the training loop takes: examples of training and validation, as a configuration asks."""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.prepared import PREPROCESS_SECTIONS, Images, Prepared, made_for, prepare
from pipeline.data.preprocessing import AffineMap
from pipeline.engine.descent import Examples
from pipeline.engine.inputs import LARGEST_SPARSE_BATCH, RARE, inputs_of


class Ready(NamedTuple):
    """Examples as a descent reads them, and how their pixels became inputs.

    Attributes:
        train: what gradients are taken of.
        validation: what is evaluated.
        inputs: features of each.
        preprocessor: pixels to inputs.
    """

    train: Any
    validation: Any
    inputs: int
    preprocessor: AffineMap


def examples(config: Config, paths: Paths) -> Ready:
    """Return what training under `config` reads; kept for the next job of the same data.

    Raises:
        UserError: a file is missing or damaged.
    """
    key = (str(made_for(config, *PREPROCESS_SECTIONS)), config.training.dtype, _rare(config))
    with _lock:  # a launcher may run jobs in threads of one process
        if key not in _kept:
            _kept.clear()  # one data set at a time: a worker's memory does not grow
            _kept[key] = ready(config, prepare(config, paths))
        return _kept[key]


_kept: dict[tuple[str, str, float], Ready] = {}
_lock = Lock()


def ready(config: Config, prepared: Prepared) -> Ready:
    """Return the same of images that were read before."""
    dtype = np.dtype(config.training.dtype)

    def of(images: Images, one_hot: NDArray[np.uint8], rare: float) -> Examples:
        inputs = inputs_of(prepared.preprocessor, images.pixels, dtype, rare=rare)
        return Examples(inputs, one_hot, images.labels)

    train = of(prepared.train, prepared.train_one_hot, _rare(config))
    validation = of(prepared.validation, prepared.validation_one_hot, 0.0)
    return Ready(train, validation, train.inputs.shape[1], prepared.preprocessor)


def _rare(config: Config) -> float:
    return RARE if config.training.batch_size <= LARGEST_SPARSE_BATCH else 0.0

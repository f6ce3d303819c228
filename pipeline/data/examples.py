"""What the training loop takes: examples of training and validation, as a configuration asks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.data.catalogue import DATASETS
from pipeline.data.prepared import PREPROCESS_SECTIONS, Images, Pixels, Prepared, made_for, prepare
from pipeline.data.preprocessing import AffineMap
from pipeline.network.inputs import Examples
from pipeline.paths import Paths


class Ready(NamedTuple):
    """Examples, ready to be read in batches, and how their pixels became inputs."""

    train: Examples
    validation: Examples
    preprocessor: AffineMap


def examples(config: Config, paths: Paths) -> Ready:
    """Return what training under `config` reads; kept for the next job of the same data.

    Raises:
        UserError: a file is missing or damaged.
    """
    settings = config.training
    key = (str(made_for(config, *PREPROCESS_SECTIONS)), settings.dtype, settings.batch_size)
    if key not in _kept:
        _kept.clear()  # one data set at a time: a worker's memory does not grow
        _kept[key] = ready(config, prepare(config, paths))
    return _kept[key]


_kept: dict[tuple[str, str, int], Ready] = {}


def ready(config: Config, prepared: Prepared) -> Ready:
    """Return the same of images that were read before."""
    dtype = np.dtype(config.training.dtype)
    shape = DATASETS[config.data.name].image_shape

    def of(images: Images, one_hot: NDArray[np.uint8]) -> Examples:
        inputs = prepared.preprocessor.inputs(
            images.pixels,
            dtype,
            batch_size=config.training.batch_size,
            order=by_box(images.pixels, shape),
        )
        return Examples(inputs, one_hot.astype(dtype), images.labels.astype(np.intp))

    return Ready(
        of(prepared.train, prepared.train_one_hot),
        of(prepared.validation, prepared.validation_one_hot),
        prepared.preprocessor,
    )


def by_box(pixels: Pixels, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return an order in which images that fill about the same box lie together.

    Args:
        pixels: shape (N, n).
        shape: height and width of an image.
    """
    lit = pixels.reshape(-1, *shape).astype(np.bool_)
    rows, columns = np.logical_or.reduce(lit, axis=2), np.logical_or.reduce(lit, axis=1)
    # From the frame's edge to the first pixel that is lit.
    top, left, right = (edge.argmax(axis=1) for edge in (rows, columns, columns[:, ::-1]))
    return np.lexsort((right, left, top))

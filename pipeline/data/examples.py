"""What the training loop takes: examples of training and validation, as a configuration asks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.config import Config
from pipeline.data.prepared import PREPROCESS_SECTIONS, Images, Prepared, made_for, prepare
from pipeline.data.preprocessing import BLOCK, AffineMap
from pipeline.network.inputs import ArrayInputs, Examples, Inputs, PixelInputs
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
    key = (str(made_for(config, *PREPROCESS_SECTIONS)), config.training.dtype)
    if key not in _kept:
        _kept.clear()  # one data set at a time: a worker's memory does not grow
        _kept[key] = ready(config, prepare(config, paths))
    return _kept[key]


_kept: dict[tuple[str, str], Ready] = {}


def ready(config: Config, prepared: Prepared) -> Ready:
    """Return the same of images that were read before."""
    dtype = np.dtype(config.training.dtype)

    def of(images: Images, one_hot: NDArray[np.uint8]) -> Examples:
        inputs = training_inputs(prepared.preprocessor, images.pixels, dtype)
        return Examples(inputs, one_hot.astype(dtype), images.labels.astype(np.intp))

    return Ready(
        of(prepared.train, prepared.train_one_hot),
        of(prepared.validation, prepared.validation_one_hot),
        prepared.preprocessor,
    )


def training_inputs(preprocessor: AffineMap, pixels: NDArray[np.uint8], dtype: DTypeLike) -> Inputs:
    """Return what `preprocessor.apply` makes of pixels, in batches.

    Without a matrix they are computed as they are read; see `PixelInputs`. With one, that would
    cost more than the network itself, so they are computed once.

    Args:
        preprocessor: the map.
        pixels: raw, shape (N, n).
        dtype: of training.
    """
    shift, scale, matrix = preprocessor.shift, preprocessor.scale, preprocessor.matrix
    if matrix is None:
        return PixelInputs(pixels, shift.astype(dtype), scale.astype(dtype))
    X = np.empty((len(pixels), matrix.shape[1]), dtype)
    for start in range(0, len(pixels), BLOCK):
        X[start : start + BLOCK] = preprocessor.apply(pixels[start : start + BLOCK], dtype)
    return ArrayInputs(X)

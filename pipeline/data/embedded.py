"""scikit-learn's embedded digits, as four IDX files."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from pipeline.data.catalogue import MNIST_FILES
from pipeline.data.idx import encode

LARGEST_VALUE = 16  # of scikit-learn's pixels; files scale it to 255
TRAINING_IMAGES = 1437


def embedded_files() -> dict[str, bytes]:
    """Return the content of the four files, by name."""
    digits = load_digits()
    images = np.rint(digits.images * (255 / LARGEST_VALUE)).astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    parts = (slice(TRAINING_IMAGES), slice(TRAINING_IMAGES, None))
    arrays = [array[part] for part in parts for array in (images, labels)]
    return dict(zip(MNIST_FILES, map(encode, arrays), strict=True))

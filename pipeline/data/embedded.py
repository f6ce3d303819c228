"""scikit-learn's embedded digits, as the four IDX files that every data set here is."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from pipeline.data.catalogue import DATASETS, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from pipeline.data.idx import encode

LARGEST_VALUE = 16  # of scikit-learn's pixels; in a file 255 is


def embedded_files() -> dict[str, bytes]:
    """Return the content of each of the four files."""
    digits = load_digits()
    images = np.rint(digits.images * (255 / LARGEST_VALUE)).astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    first_test = DATASETS["digits"].train_images
    return {
        TRAIN_IMAGES: encode(images[:first_test]),
        TRAIN_LABELS: encode(labels[:first_test]),
        TEST_IMAGES: encode(images[first_test:]),
        TEST_LABELS: encode(labels[first_test:]),
    }

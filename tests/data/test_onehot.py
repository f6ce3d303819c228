"""One-hot labels (23)."""

import numpy as np

from pipeline.data.onehot import one_hot


def test_the_slides_example() -> None:
    np.testing.assert_array_equal(one_hot(np.array([0, 1, 2, 3]), 5), np.eye(5)[:4])


def test_the_position_of_the_one_is_the_label() -> None:
    labels = np.random.default_rng(0).integers(10, size=100)
    encoded = one_hot(labels, 10)
    assert encoded.dtype == np.uint8
    np.testing.assert_array_equal(encoded.argmax(axis=1), labels)
    np.testing.assert_array_equal(encoded.sum(axis=1), 1)

"""Examples are what a configuration asks for, and images alike lie close together."""

import dataclasses

import numpy as np

from pipeline.config import compose
from pipeline.data.examples import by_box, examples
from pipeline.data.prepared import prepare
from tests.conftest import Checkout
from tests.network.test_inputs import read


def test_images_that_fill_the_same_box_lie_together() -> None:
    """By the top edge, then the left, then how far from the right edge of the frame it ends."""
    images = np.zeros((5, 3, 4), np.uint8)
    images[0, 2, 1] = 1
    images[1, 0, 2] = 1
    images[2, 0, 0:3] = 1
    images[3, 0, 0:2] = 1
    images[4, 2, 0] = 1
    assert list(by_box(images.reshape(5, 12), (3, 4))) == [2, 3, 1, 4, 0]


def test_examples_are_kept_for_the_next_job_of_the_same_data(checkout: Checkout) -> None:
    config = compose(checkout.paths)
    found = examples(config, checkout.paths)
    assert examples(dataclasses.replace(config, seed=9), checkout.paths) is found
    other = dataclasses.replace(
        config, training=dataclasses.replace(config.training, dtype="float64")
    )
    assert examples(other, checkout.paths).train.Y.dtype == np.float64


def test_training_reads_what_prediction_computes(checkout: Checkout) -> None:
    config = compose(checkout.paths)
    found, prepared = examples(config, checkout.paths), prepare(config, checkout.paths)
    expected = prepared.preprocessor.apply(prepared.validation.pixels, np.float32)
    np.testing.assert_allclose(read(found.validation.inputs), expected, atol=1e-6)
    np.testing.assert_array_equal(found.validation.labels, prepared.validation.labels)

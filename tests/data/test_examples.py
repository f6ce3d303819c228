"""Examples are what a configuration asks for."""

import dataclasses

import numpy as np

from pipeline.config import compose
from pipeline.data.examples import examples
from pipeline.data.prepared import prepare
from tests.conftest import Checkout
from tests.network.test_inputs import read


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
    np.testing.assert_allclose(read(found.validation.inputs, 100), expected, atol=1e-6)
    np.testing.assert_array_equal(found.validation.labels, prepared.validation.labels)

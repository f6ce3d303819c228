"""Examples are what a configuration asks for."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.base.config import compose
from pipeline.data.prepared import load
from pipeline.engine.examples import examples
from tests.conftest import Checkout


def test_examples_are_kept_for_the_next_job_of_the_same_data(checkout: Checkout) -> None:
    config = compose(checkout.paths)
    ready = examples(config, checkout.paths)
    assert examples(dataclasses.replace(config, seed=9), checkout.paths) is ready
    other = dataclasses.replace(
        config, training=dataclasses.replace(config.training, dtype="float64")
    )
    assert examples(other, checkout.paths).train.inputs.dtype == np.float64


def test_each_checkout_has_its_own_examples(make_checkout: Callable[[str], Checkout]) -> None:
    first, second = make_checkout("first"), make_checkout("second")
    ready = examples(compose(first.paths), first.paths)
    assert examples(compose(second.paths), second.paths) is not ready


def test_examples_are_the_images_of_their_part(checkout: Checkout) -> None:
    config = compose(checkout.paths)
    ready, data = examples(config, checkout.paths), load(config, checkout.paths)
    for ours, part in ((ready.train, data.train), (ready.validation, data.validation)):
        assert ours.inputs.shape == part.raw.shape
        np.testing.assert_array_equal(ours.labels, part.labels)
        np.testing.assert_array_equal(ours.Y.argmax(axis=1), part.labels)


def test_no_pixel_is_rare_to_a_large_batch(checkout: Checkout) -> None:
    config = compose(checkout.paths)
    small = examples(config, checkout.paths).train.inputs
    large = dataclasses.replace(
        config, training=dataclasses.replace(config.training, batch_size=1001)
    )
    assert len(small.rare) > 0
    assert len(examples(large, checkout.paths).train.inputs.rare) == 0


def test_threads_that_want_the_same_data_share_them(checkout: Checkout) -> None:
    config = compose(checkout.paths)
    with ThreadPoolExecutor(4) as threads:
        ready = list(threads.map(lambda _: examples(config, checkout.paths), range(4)))
    assert all(each is ready[0] for each in ready)

"""Generators are the same for the same name, and independent for different names."""

import itertools

import numpy as np

from pipeline.network.randomness import PURPOSES, generator


def test_same_name_same_numbers() -> None:
    first, second = (generator(7, "order", 3).random(5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_every_seed_purpose_and_epoch_has_numbers_of_its_own() -> None:
    """SeedSequence([42]) equals SeedSequence([42, 0]); these keys must not meet like that."""
    names = itertools.product((0, 1, 42, 2**32 - 1), PURPOSES, (0, 1, 2))
    drawn = [generator(*name).integers(2**63) for name in names]
    assert len(set(drawn)) == 4 * len(PURPOSES) * 3

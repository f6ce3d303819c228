"""The split keeps apart what must be apart, and keeps the classes' shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.data.split import SplitIndices, digest, draw, refuse_overlap

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 60)


@given(
    train=st.integers(10, 500),
    validation=st.integers(10, 100),
    method=st.sampled_from(["stratified", "first"]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_no_image_both_trains_and_validates(
    train: int, validation: int, method: str, seed: int
) -> None:
    indices = draw(LABELS, train=train, validation=validation, method=method, seed=seed)
    assert (len(indices.train), len(indices.validation)) == (train, validation)
    both = np.concatenate(indices)
    assert len(np.unique(both)) == train + validation
    assert both.max() < len(LABELS)


def test_a_stratified_draw_keeps_the_shares() -> None:
    indices = draw(LABELS, train=500, validation=100, method="stratified", seed=0)
    np.testing.assert_array_equal(np.bincount(LABELS[indices.validation]), 10)
    np.testing.assert_array_equal(np.bincount(LABELS[indices.train]), 50)


def test_first_takes_the_first_images_for_validation() -> None:
    indices = draw(LABELS, train=500, validation=100, method="first", seed=0)
    np.testing.assert_array_equal(indices.validation, np.arange(100))
    np.testing.assert_array_equal(indices.train, np.arange(100, 600))


def test_the_seed_decides() -> None:
    def drawn(seed: int) -> str:
        return digest(draw(LABELS, train=500, validation=100, method="stratified", seed=seed))

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_more_images_than_there_are() -> None:
    with pytest.raises(UserError, match="= 700: the training file holds 600 images"):
        draw(LABELS, train=600, validation=100, method="first", seed=0)


def test_overlap_is_refused() -> None:
    shared = SplitIndices(np.array([1, 2, 3], np.uint32), np.array([3, 4], np.uint32))
    with pytest.raises(UserError, match="1 images both train and validate, such as number 3"):
        refuse_overlap(shared)

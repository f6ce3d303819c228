"""The split keeps apart what must be apart, and keeps the classes' shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.data.split import Split, SplitIndices, draw, stratified


def drawn(train: int, validation: int, method: str = "stratified", seed: int = 0) -> SplitIndices:
    split = Split(train=train, validation=validation, test=1, method=method, seed=seed)
    return draw(LABELS, split)


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
    indices = drawn(train, validation, method, seed)
    assert (len(indices.train), len(indices.validation)) == (train, validation)
    both = np.concatenate(indices)
    assert len(np.unique(both)) == train + validation
    assert both.max() < len(LABELS)


def test_a_stratified_draw_keeps_the_shares() -> None:
    indices = drawn(500, 100)
    np.testing.assert_array_equal(np.bincount(LABELS[indices.validation]), 10)
    np.testing.assert_array_equal(np.bincount(LABELS[indices.train]), 50)


def test_first_takes_the_first_images_for_validation() -> None:
    indices = drawn(500, 100, "first")
    np.testing.assert_array_equal(indices.validation, np.arange(100))
    np.testing.assert_array_equal(indices.train, np.arange(100, 600))


def test_the_seed_decides() -> None:
    assert drawn(500, 100).digest() == drawn(500, 100).digest()
    assert drawn(500, 100).digest() != drawn(500, 100, seed=1).digest()


def test_more_images_than_there_are() -> None:
    with pytest.raises(UserError, match="= 700: the training file holds 600 examples"):
        drawn(600, 100, "first")


def test_overlap_is_refused() -> None:
    shared = {"train": np.array([1, 2, 3], np.uint32), "validation": np.array([3, 4], np.uint32)}
    with pytest.raises(UserError, match="1 examples are in both the training and"):
        SplitIndices.from_arrays(shared)


@pytest.mark.parametrize(("train", "validation", "part"), [(9, 100, "train"), (500, 9, "valid")])
def test_a_stratified_draw_of_fewer_examples_than_classes_is_refused(
    train: int, validation: int, part: str
) -> None:
    with pytest.raises(UserError, match=rf"split\.{part}.* = 9: allowed is 10 or more, one of"):
        drawn(train, validation)


def test_a_class_of_one_example_cannot_be_drawn_for_both_parts() -> None:
    with pytest.raises(UserError, match="split.method = stratified: .* only 1 member"):
        stratified(np.array([0, 0, 0, 7, 0]), 2, 2, 0)


def test_an_unknown_method_raises() -> None:
    with pytest.raises(KeyError):
        drawn(500, 100, "last")

"""The engine does what the readable network does: a step, an epoch, whole trainings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.data.preprocessing import AffineMap, fit
from pipeline.engine import descent
from pipeline.engine.descent import (
    COMPILED,
    Examples,
    epoch,
    mean_cost,
    outputs,
    pre_activations,
    score,
)
from pipeline.engine.inputs import RARE, Inputs, inputs_of
from pipeline.network import descent as readable
from pipeline.network import evaluation
from pipeline.network.activations import SINGLE
from pipeline.network.dense import Layer, Network, forward, initialise
from pipeline.network.schedules import SCHEDULES
from pipeline.network.training import READABLE, Diverged, Start, train
from tests.settings import COMBINATIONS, architecture, small_network, training

MAPS: dict[str, dict[str, str]] = {
    "raw": {"method": "raw"},
    "scalar": {"method": "standardise"},
    "per feature": {"method": "standardise", "statistics": "per_feature"},
    "whiten": {"method": "whiten"},
}
# How often each of 16 pixels is lit: twelve in many images, three in few, one in none.
LIT = np.array([0.9] * 4 + [0.02] * 3 + [0.0] + [0.6] * 4 + [0.4] * 4)


def digits(count: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    lit = rng.random((count, 16)) < LIT
    return (lit * rng.integers(1, 256, size=lit.shape)).astype(np.uint8)


IMAGES: dict[str, Callable[[int], np.ndarray]] = {
    "digits": digits,
    "inverted": lambda count: 255 - digits(count),
    "empty": lambda count: np.zeros((count, 16), np.uint8),
    "full": lambda count: np.full((count, 16), 255, np.uint8),
    "grey": lambda count: np.random.default_rng(1).integers(256, size=(count, 16)).astype(np.uint8),
}


def both(
    pixels: np.ndarray, preprocessor: AffineMap, dtype: Any = np.float64
) -> tuple[Examples, evaluation.Examples]:
    """Return the same examples as the engine takes them and as the readable network does."""
    labels = np.random.default_rng(4).integers(2, size=len(pixels))
    Y = np.eye(2, dtype=np.uint8)[labels]
    inputs = inputs_of(preprocessor, pixels, dtype, rare=RARE)
    X = preprocessor.apply(pixels, dtype)
    return Examples(inputs, Y, labels), evaluation.Examples(X, Y.astype(dtype), labels)


def arrays(count: int, dtype: Any = np.float64) -> tuple[Examples, evaluation.Examples]:
    X = np.random.default_rng(5).normal(size=(count, 5)).astype(dtype)
    labels = np.random.default_rng(4).integers(2, size=count)
    Y = np.eye(2, dtype=np.uint8)[labels]
    plain = AffineMap(np.zeros(()), np.ones(()))
    return (
        Examples(inputs_of(plain, X, dtype), Y, labels),
        evaluation.Examples(X, Y.astype(dtype), labels),
    )


def agree(ours: tuple[Layer, ...], theirs: tuple[Layer, ...], tolerance: float = 1e-12) -> None:
    """Equal up to rounding; the largest weight is about 1."""
    for layer, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(layer.W, reference.W, atol=tolerance, rtol=0)
        np.testing.assert_allclose(layer.b, reference.b, atol=tolerance, rtol=0)


def batches(count: int, size: int) -> list[np.ndarray]:
    order = np.random.default_rng(3).permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.0, 0.5), (0.9, 0.0), (0.9, 0.5)])
@pytest.mark.parametrize(("hidden", "output", "cost"), COMBINATIONS)
def test_an_epoch_is_the_readable_one(
    hidden: str, output: str, cost: str, momentum: float, decay: float
) -> None:
    """Float64, 7 steps, the last one short."""
    fast, slow = arrays(20)
    network = small_network(hidden, output)
    settings = training(cost=cost, momentum=momentum, weight_decay=decay), 0.05
    ours = epoch(network, None, fast, batches(20, 3), *settings)
    theirs = readable.epoch(network, None, slow, batches(20, 3), *settings)
    agree(ours[0].layers, theirs[0].layers)
    agree(ours[1], theirs[1])


@pytest.mark.parametrize("size", [1, 7, 64, 200])
@pytest.mark.parametrize(
    "sizes", [(16, 2), (16, 1, 2), (16, 40, 2), (16, 3, 17, 2), (16, 8, 8, 8, 8, 2)]
)
def test_every_batch_size_and_layer_shape_steps_as_the_readable_network_does(
    sizes: tuple[int, ...], size: int
) -> None:
    fast, slow = both(digits(130), fit(digits(130), method="standardise").map)
    network = small_network("sigmoid", "sigmoid", sizes)
    settings = training(momentum=0.5), 0.05
    ours = epoch(network, None, fast, batches(130, size), *settings)
    theirs = readable.epoch(network, None, slow, batches(130, size), *settings)
    agree(ours[0].layers, theirs[0].layers)
    agree(ours[1], theirs[1])


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.0, 0.5), (0.9, 0.0), (0.9, 0.5)])
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("images", IMAGES)
def test_rare_pixels_leave_every_step_and_score_as_it_was(
    images: str, name: str, momentum: float, decay: float
) -> None:
    """Float64, two epochs of 17 steps; the second goes on from the first one's velocity."""
    pixels = IMAGES[images](50)
    if name != "raw" and images in ("empty", "full"):
        preprocessor = fit(digits(50), **MAPS[name]).map
    else:
        preprocessor = fit(pixels, **MAPS[name]).map
    fast, slow = both(pixels, preprocessor)
    network = small_network("relu", "sigmoid", (slow.X.shape[1], 4, 3, 2))
    ours = theirs = (network, ())
    settings = training(momentum=momentum, weight_decay=decay), 0.02
    for _ in range(2):
        ours = epoch(*ours, fast, batches(50, 3), *settings)  # type: ignore[assignment]
        theirs = readable.epoch(*theirs, slow, batches(50, 3), *settings)  # type: ignore[assignment]
    agree(ours[0].layers, theirs[0].layers, 1e-10)
    agree(ours[1], theirs[1], 1e-10)
    found, expected = (
        score(ours[0], fast, "cross_entropy"),
        evaluation.score(theirs[0], slow, "cross_entropy"),
    )
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-9)
    assert found.accuracy == expected.accuracy


@pytest.mark.parametrize("columns", [1, 3, 5, 8, 13, 16, 17])
def test_a_rotation_to_any_number_of_inputs_trains_as_the_readable_network_does(
    columns: int,
) -> None:
    rotation = np.random.default_rng(2).normal(size=(16, columns)) / 100
    fast, slow = both(digits(50), AffineMap(np.array(33.3), np.ones(()), rotation))
    network = small_network("relu", "sigmoid", (columns, 4, 2))
    settings = training(momentum=0.9), 0.02
    ours = epoch(network, None, fast, batches(50, 3), *settings)
    theirs = readable.epoch(network, None, slow, batches(50, 3), *settings)
    agree(ours[0].layers, theirs[0].layers)
    agree(ours[1], theirs[1])


@pytest.mark.parametrize("name", ["scalar", "per feature"])
@pytest.mark.parametrize("images", ["digits", "inverted"])
def test_rare_pixels_cost_no_accuracy(images: str, name: str) -> None:
    """After 17 steps in float32 the rounding error is no more than twice the readable network's."""
    pixels = IMAGES[images](50)
    preprocessor = fit(pixels, **MAPS[name]).map
    fast, slow = both(pixels, preprocessor, np.float32)
    single = Network(
        tuple(
            Layer(*(each.astype(np.float32) for each in layer))
            for layer in small_network("sigmoid", "sigmoid", (16, 4, 3, 2)).layers
        ),
        ("sigmoid",) * 3,
    )
    double = Network(
        tuple(Layer(*(each.astype(np.float64) for each in layer)) for layer in single.layers),
        single.activations,
    )
    exact_examples = evaluation.Examples(slow.X.astype(np.float64), slow.Y, slow.labels)
    settings = training(), 0.05
    ours, _ = epoch(single, None, fast, batches(50, 3), *settings)
    theirs, _ = readable.epoch(single, None, slow, batches(50, 3), *settings)
    exact, _ = readable.epoch(double, None, exact_examples, batches(50, 3), *settings)
    errors = [np.linalg.norm(found.layers[0].W - exact.layers[0].W) for found in (ours, theirs)]
    assert 0 < errors[0] <= 2 * errors[1]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("hidden", SINGLE)
def test_a_whole_training_comes_as_far_as_the_readable_one(
    hidden: str, momentum: float, schedule: str
) -> None:
    fast, slow = both(digits(130), fit(digits(130), method="standardise").map)
    settings = training(momentum=momentum, schedule=schedule)
    begin = Start(0, small_network(hidden, "sigmoid", (16, 8, 6, 2)), None)
    ours = list(train(begin, fast, fast, settings, seed=3, descent=COMPILED))
    theirs = list(train(begin, slow, slow, settings, seed=3, descent=READABLE))
    for fast_epoch, slow_epoch in zip(ours, theirs, strict=True):
        assert fast_epoch.learning_rate == slow_epoch.learning_rate
        np.testing.assert_allclose(fast_epoch.train.loss, slow_epoch.train.loss, rtol=1e-10)
        assert fast_epoch.train.accuracy == slow_epoch.train.accuracy
    agree(ours[-1].network.layers, theirs[-1].network.layers, 1e-10)


def test_a_network_that_was_handed_in_or_out_does_not_move() -> None:
    fast, _ = arrays(9)
    network = small_network("relu", "sigmoid")
    settings = training(momentum=0.9), 0.1
    moved, velocity = epoch(network, None, fast, batches(9, 3), *settings)
    kept = [layer.W.copy() for layer in (*moved.layers, *velocity)]
    epoch(moved, velocity, fast, batches(9, 3), *settings)
    for layer, W in zip((*moved.layers, *velocity), kept, strict=True):
        np.testing.assert_array_equal(layer.W, W)
    for layer, before in zip(network.layers, small_network("relu", "sigmoid").layers, strict=True):
        np.testing.assert_array_equal(layer.W, before.W)


@pytest.mark.parametrize("images", IMAGES)
def test_training_reads_what_prediction_computes(images: str) -> None:
    """Up to rounding; and what an image gives does not depend on the images beside it."""
    pixels = IMAGES[images](300)
    preprocessor = fit(digits(50), method="standardise").map
    network = small_network("relu", "sigmoid", (16, 4, 3, 2))
    rare = pre_activations(network, inputs_of(preprocessor, pixels, np.float64, rare=RARE))
    plain = pre_activations(network, inputs_of(preprocessor, pixels, np.float64))
    np.testing.assert_allclose(rare, plain, atol=1e-12)
    alone = pre_activations(network, inputs_of(preprocessor, pixels[17:18], np.float64))
    assert alone.tobytes() == plain[17:18].tobytes()
    expected = forward(network, preprocessor.apply(pixels)).pre_activations[-1]
    np.testing.assert_allclose(plain, expected, atol=1e-12)


@pytest.mark.parametrize("matrix", [None, np.eye(16)])
def test_zero_images_have_zero_outputs(matrix: np.ndarray | None) -> None:
    preprocessor = AffineMap(np.zeros(()), np.ones(()), matrix)
    network = small_network("relu", "sigmoid", (16, 3, 2))
    H_bar = pre_activations(network, inputs_of(preprocessor, digits(0), np.float64))
    assert outputs(H_bar, "sigmoid").shape == (0, 2)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_no_bit_depends_on_how_many_rows_are_evaluated_at_once(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = inputs_of(
        fit(digits(50), method="standardise").map, digits(500), np.float32, rare=RARE
    )
    network = small_network("relu", "sigmoid", (16, 40, 2))
    usual = pre_activations(network, inputs).tobytes()
    monkeypatch.setattr(descent, "BLOCK", rows)
    assert pre_activations(network, inputs).tobytes() == usual


def test_pixels_that_nearly_always_have_one_value_are_rare() -> None:
    for images in ("digits", "inverted"):
        inputs: Inputs = inputs_of(
            fit(digits(50), method="raw").map, IMAGES[images](500), np.float32, rare=RARE
        )
        assert inputs.rare.tolist() == [4, 5, 6, 7]
        starts, _ = inputs.sparse
        rows = np.diff(starts)
        lit = IMAGES[images](500)[:, 4:8] != (255 if images == "inverted" else 0)
        np.testing.assert_array_equal(rows, lit.sum(axis=1))


def test_a_cost_is_added_up_by_sample_then_by_output() -> None:
    rng = np.random.default_rng(0)
    H_bar, labels = rng.normal(size=(500, 3)).astype(np.float32), rng.integers(3, size=500)
    Y = np.eye(3, dtype=np.uint8)[labels]
    total = 0.0
    for row, label in zip(outputs(H_bar, "identity"), Y, strict=True):
        for h, y in zip(row, label, strict=True):
            difference = np.float32(y) - h
            total += float(np.float32(0.5) * (difference * difference))
    assert mean_cost(H_bar, Y, "squared_error", "identity") == total / 500


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_going_on_from_an_epoch_ends_with_the_same_bytes(momentum: float, schedule: str) -> None:
    fast, _ = both(digits(130), fit(digits(130), method="standardise").map, np.float32)
    network = initialise(architecture(8), 16, 2, np.random.default_rng(0), np.float32)
    settings = training(momentum=momentum, schedule=schedule)
    whole = list(train(Start(0, network, None), fast, fast, settings, seed=3, descent=COMPILED))
    begin = Start(2, whole[1].network, whole[1].velocity)
    resumed = list(train(begin, fast, fast, settings, seed=3, descent=COMPILED))
    assert [each.train for each in resumed] == [each.train for each in whole[2:]]
    ours, expected = (
        [array.tobytes() for layer in (*end.network.layers, *end.velocity) for array in layer]
        for end in (resumed[-1], whole[-1])
    )
    assert len(ours) == (8 if momentum else 4)
    assert ours == expected


@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
@pytest.mark.parametrize(("dtype", "learning_rate"), [(np.float32, 1e30), (np.float64, 1e200)])
def test_divergence_is_found(dtype: Any, learning_rate: float, hidden: str) -> None:
    fast, _ = both(digits(130), fit(digits(130), method="standardise").map, dtype)
    layers = small_network(hidden, "identity", (16, 8, 6, 2)).layers
    network = Network(
        tuple(Layer(layer.W.astype(dtype), layer.b.astype(dtype)) for layer in layers),
        (hidden, hidden, "identity"),
    )
    settings = training(cost="squared_error", learning_rate=learning_rate)
    epochs = train(Start(0, network, None), fast, fast, settings, seed=3, descent=COMPILED)
    with pytest.raises(Diverged, match=r"epoch \d with step size 1e\+"):
        list(epochs)


def test_who_set_a_weight_decay_is_advised_to_reduce_it() -> None:
    fast, _ = arrays(60)
    settings = training(weight_decay=1e6, epochs=50)
    begin = Start(0, small_network("relu", "sigmoid"), None)
    with pytest.raises(Diverged, match=r"smaller training.learning_rate or training.weight_decay$"):
        list(train(begin, fast, fast, settings, seed=3, descent=COMPILED))


def test_not_a_number_in_one_weight_is_found() -> None:
    fast, _ = arrays(9)
    network = small_network("relu", "sigmoid")
    network.layers[0].W[2, 3] = np.nan
    assert np.isnan(score(network, fast, "cross_entropy").loss)

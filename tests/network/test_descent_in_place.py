"""The fast path does what the readable one does."""

import numpy as np
import pytest

from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import COSTS
from pipeline.network.dense import cost_and_gradients, forward
from pipeline.network.descent import descend
from pipeline.network.descent_in_place import EVALUATION_ROWS, DescentInPlace
from pipeline.network.inputs import ArrayInputs, PixelInputs
from tests.network.test_dense import COMBINATIONS, small_network


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("hidden", "output", "cost"), COMBINATIONS)
def test_an_epoch_agrees_with_the_readable_network(
    hidden: str, output: str, cost: str, momentum: float
) -> None:
    """Float64, 7 steps, the last one short: equal up to rounding (1e-13, some 500 ulp of 1).

    The step size is folded into the error before the products here and multiplied afterwards
    there, so the last bits may differ.
    """
    rng = np.random.default_rng(4)
    X, labels = rng.normal(size=(20, 5)), rng.integers(2, size=20)
    Y, order = np.eye(2)[labels], rng.permutation(20)
    network, velocity = small_network(hidden, output), None
    fast = DescentInPlace(network, cost=cost, batch_size=3, momentum=momentum)
    fast.epoch(ArrayInputs(X), Y, order, 0.05)
    for start in range(0, 20, 3):
        batch = order[start : start + 3]
        _, gradients = cost_and_gradients(network, X[batch], Y[batch], cost)
        network, velocity = descend(
            network, gradients, learning_rate=0.05, momentum=momentum, velocity=velocity
        )
    assert velocity is not None
    for ours, reference in zip(fast.network.layers, network.layers, strict=True):
        np.testing.assert_allclose(ours.W, reference.W, atol=1e-13, rtol=0)
        np.testing.assert_allclose(ours.b, reference.b, atol=1e-13, rtol=0)
    if momentum:
        np.testing.assert_allclose(fast.velocity[0].W, velocity[0].W, atol=1e-13, rtol=0)


@pytest.mark.parametrize("cost", COSTS)
def test_score_is_mean_cost_and_share_of_right_answers(cost: str) -> None:
    rng = np.random.default_rng(5)
    count = EVALUATION_ROWS + 17  # a full block and a short one
    X, labels = rng.normal(size=(count, 5)), rng.integers(2, size=count)
    Y, network = np.eye(2)[labels], small_network("relu", "sigmoid")
    score = DescentInPlace(network, cost=cost, batch_size=3).score(ArrayInputs(X), Y, labels)
    passed = forward(network, X)
    expected = COSTS[cost].value(passed.pre_activations[-1], Y, ACTIVATIONS["sigmoid"]).mean()
    np.testing.assert_allclose(score.loss, expected, rtol=1e-13)
    assert score.accuracy == np.mean(passed.outputs.argmax(axis=1) == labels)


def test_a_network_that_was_handed_out_does_not_move() -> None:
    rng = np.random.default_rng(6)
    X, Y = rng.normal(size=(9, 5)), np.eye(2)[rng.integers(2, size=9)]
    fast = DescentInPlace(small_network("relu", "sigmoid"), cost="cross_entropy", batch_size=3)
    before = fast.network
    kept = [layer.W.copy() for layer in before.layers]
    fast.epoch(ArrayInputs(X), Y, np.arange(9), 0.1)
    for layer, W in zip(before.layers, kept, strict=True):
        np.testing.assert_array_equal(layer.W, W)


@pytest.mark.parametrize("per_feature", [False, True])
def test_pixels_read_in_batches_equal_pixels_transformed_at_once(per_feature: bool) -> None:
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, size=(50, 12), dtype=np.uint8)
    shape = (12,) if per_feature else ()
    shift = rng.uniform(0, 100, shape).astype(np.float32)
    scale = rng.uniform(0.001, 0.1, shape).astype(np.float32)
    expected = (pixels.astype(np.float32) - shift) * scale
    inputs, indices = PixelInputs(pixels, shift, scale, rows=8), rng.permutation(50)[:8]
    out = np.empty((8, 12), np.float32)
    inputs.take(indices, out)
    np.testing.assert_array_equal(out, expected[indices])
    inputs.block(5, out)
    np.testing.assert_array_equal(out, expected[5:13])

"""The fast path does what the readable one does, also where it multiplies no zeros."""

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.network.dense import Layer, Network, cost_and_gradients
from pipeline.network.descent import descend
from pipeline.network.descent_in_place import DescentInPlace
from pipeline.network.inputs import ArrayInputs, Batch, Examples, Inputs, PixelInputs
from tests.network.test_dense import COMBINATIONS, small_network
from tests.network.test_inputs import MAPS, applied, pixels

Velocity = tuple[Layer, ...]


def labelled(inputs: Inputs) -> Examples:
    labels = np.random.default_rng(4).integers(2, size=inputs.shape[0])
    return Examples(inputs, np.eye(2)[labels], labels)


def readable_epoch(
    network: Network,
    velocity: Velocity | None,
    X: np.ndarray,
    Y: np.ndarray,
    order: np.ndarray,
    *,
    cost: str,
    momentum: float,
) -> tuple[Network, Velocity]:
    """Descend once through all samples, three a step, by `dense` and `descent`."""
    rate = X.dtype.type(0.05)
    for start in range(0, len(X), 3):
        batch = order[start : start + 3]
        _, gradients = cost_and_gradients(network, X[batch], Y[batch], cost)
        network, velocity = descend(
            network, gradients, learning_rate=rate, momentum=momentum, velocity=velocity
        )
    assert velocity is not None
    return network, velocity


def agree(fast: DescentInPlace, network: Network, velocity: Velocity, *, momentum: float) -> None:
    """Equal up to rounding (1e-13, some 500 ulp of 1)."""
    pairs = list(zip(fast.network.layers, network.layers, strict=True))
    if momentum:
        pairs += zip(fast.velocity, velocity, strict=True)
    for ours, reference in pairs:
        np.testing.assert_allclose(ours.W, reference.W, atol=1e-13, rtol=0)
        np.testing.assert_allclose(ours.b, reference.b, atol=1e-13, rtol=0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("hidden", "output", "cost"), COMBINATIONS)
def test_an_epoch_agrees_with_the_readable_network(
    hidden: str, output: str, cost: str, momentum: float
) -> None:
    """Float64, 7 steps, the last one short.

    The step size is folded into the error before the products here and multiplied afterwards
    there, so the last bits may differ.
    """
    rng = np.random.default_rng(3)
    X, order = rng.normal(size=(20, 5)), rng.permutation(20)
    network, examples = small_network(hidden, output), labelled(ArrayInputs(X))
    fast = DescentInPlace(network, cost=cost, batch_size=3, momentum=momentum)
    fast.epoch(examples, order, 0.05)
    network, velocity = readable_epoch(
        network, None, X, examples.Y, order, cost=cost, momentum=momentum
    )
    agree(fast, network, velocity, momentum=momentum)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", MAPS)
def test_rare_features_leave_every_step_as_it_was(name: str, momentum: float) -> None:
    """Float64, two epochs of 17 steps on pixels, a quarter of them rare."""
    X, (shift, scale) = pixels(50), MAPS[name]
    examples = labelled(PixelInputs(X, shift, scale))
    network, velocity = small_network("relu", "sigmoid", (16, 4, 3, 2)), None
    fast = DescentInPlace(network, cost="cross_entropy", batch_size=3, momentum=momentum)
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(50)
        fast.epoch(examples, order, 0.05)
        network, velocity = readable_epoch(
            network,
            velocity,
            applied(name, X),
            examples.Y,
            order,
            cost="cross_entropy",
            momentum=momentum,
        )
    assert velocity is not None
    agree(fast, network, velocity, momentum=momentum)


def test_rare_features_cost_no_accuracy() -> None:
    """After 17 steps in float32 the rounding error is no more than twice the readable network's."""
    X, (shift, scale) = pixels(50), [each.astype(np.float32) for each in MAPS["scalar"]]
    exact = small_network("sigmoid", "sigmoid", (16, 4, 3, 2))
    single = Network(
        tuple(Layer(*(each.astype(np.float32) for each in layer)) for layer in exact.layers),
        exact.activations,
    )
    double = Network(
        tuple(Layer(*(each.astype(np.float64) for each in layer)) for layer in single.layers),
        exact.activations,
    )
    inputs = PixelInputs(X, shift, scale)
    examples, order = labelled(inputs), np.random.default_rng(0).permutation(50)
    Y = examples.Y.astype(np.float32)
    fast = DescentInPlace(single, cost="cross_entropy", batch_size=3)
    fast.epoch(examples._replace(Y=Y), order, 0.05)
    Z = (X - shift) * scale
    cost = {"cost": "cross_entropy", "momentum": 0.0}
    readable, _ = readable_epoch(single, None, Z, Y, order, **cost)  # type: ignore[arg-type]
    exact, _ = readable_epoch(double, None, Z.astype(np.float64), Y, order, **cost)  # type: ignore[arg-type]
    errors = [
        np.linalg.norm(found.layers[0].W - exact.layers[0].W) for found in (fast.network, readable)
    ]
    assert 0 < errors[0] <= 2 * errors[1]


def test_a_network_that_was_handed_out_does_not_move() -> None:
    X = np.random.default_rng(6).normal(size=(9, 5))
    fast = DescentInPlace(small_network("relu", "sigmoid"), cost="cross_entropy", batch_size=3)
    before = fast.network
    kept = [layer.W.copy() for layer in before.layers]
    fast.epoch(labelled(ArrayInputs(X)), np.arange(9), 0.1)
    for layer, W in zip(before.layers, kept, strict=True):
        np.testing.assert_array_equal(layer.W, W)


def test_an_epoch_that_nobody_waits_for_ends_after_a_step() -> None:
    X = np.random.default_rng(6).normal(size=(9, 5))
    fast = DescentInPlace(small_network("relu", "sigmoid"), cost="cross_entropy", batch_size=3)
    read = []

    class Watched(ArrayInputs):
        def batches(self, size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
            for batch in super().batches(size, order):
                read.append(batch.rows)
                yield batch

    fast.close()
    fast.epoch(labelled(Watched(X)), np.arange(9), 0.1)
    assert read == [slice(0, 3)]

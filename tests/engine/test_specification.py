"""Two epochs and their score, bit by bit, by the words of `pipeline.engine` in NumPy alone.

Only σ is the engine's own, which `test_formulas` holds to exact values.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline.data.preprocessing import AffineMap
from pipeline.engine.descent import COMPILED, Examples, outputs
from pipeline.engine.inputs import RARE, inputs_of
from pipeline.network.dense import Layer, initialise
from tests.settings import architecture, training

Array = Any  # of float32
MOMENTUM, LEARNING_RATE, BATCH = np.float32(0.9), 0.3, 7


def fma(x: Array, y: Array, z: Array) -> Array:
    """Return x y + z, rounded once to float32.

    The product is exact in float64. The sum is rounded to odd there: of the two nearest numbers the
    one whose last bit is 1, unless it is exact. Rounded once more, that is as good as the sum.
    """
    product, z = x.astype(float) * y.astype(float), np.asarray(z, float)
    total = product + z
    part = total - product
    lost = (product - (total - part)) + (z - part)
    away = np.where((lost > 0) == (total > 0), 1, -1)
    bits = total.view(np.int64)
    odd = np.where((lost != 0) & (bits % 2 == 0), bits + away, bits)
    return odd.view(float).astype(np.float32)


def chain(A: Array, B: Array, start: Array) -> Array:
    """Return A B, each element a chain along k from its start."""
    total = np.array(np.broadcast_to(start, (len(A), B.shape[1])))
    for k in range(A.shape[1]):
        total = fma(*np.broadcast_arrays(A[:, k : k + 1], B[k], total))
    return total


class Split(NamedTuple):
    """A network's parameters, or their velocities, as an epoch moves them: W and b transposed."""

    frequent: Array
    rare: Array
    b: Array
    c: Array
    W2: Array
    b2: Array


class Pixels(NamedTuple):
    """Inputs of the frequent pixels; z and e of the rare ones, which `rare` tells."""

    rare: Array
    X: Array
    z: Array
    e: Array
    e_z: Array
    z_z: Array


def read(pixels: Array, shift: Array, scale: Array) -> Pixels:
    every = -(-len(pixels) // 1000)
    sample = np.sort(pixels[::every], axis=0)
    usual = sample[len(sample) // 2]
    rare = (pixels != usual).mean(axis=0) <= RARE
    single = pixels.astype(np.float32)
    z = (usual[rare].astype(np.float32) - shift) * scale
    e = (single[:, rare] - usual[rare].astype(np.float32)) * scale
    zero, one = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    e_z, z_z = chain(e, z[:, None], zero), chain(z[None], z[:, None], one)
    return Pixels(rare, (single[:, ~rare] - shift) * scale, z, e, e_z, z_z[0, 0])


def split(layers: tuple[Layer, ...], x: Pixels) -> Split:
    (W, b), (W2, b2) = layers
    near, far = W[:, ~x.rare].T, W[:, x.rare].T
    return Split(near, far - x.z[:, None] * b, b, chain(x.z[None], far, b[None])[0], W2.T, b2)


def joined(now: Split, x: Pixels) -> tuple[Layer, ...]:
    W = np.empty((len(now.b), len(x.rare)), np.float32)
    W[:, ~x.rare], W[:, x.rare] = now.frequent.T, (now.rare + x.z[:, None] * now.b).T
    return Layer(W, now.b), Layer(now.W2.T, now.b2)


def forward(now: Split, x: Pixels, batch: Array) -> tuple[Array, Array, Array]:
    """Return H_bar and H of the first layer, H_bar of the second."""
    start = chain(x.e[batch], now.rare, now.c[None])
    H_bar = chain(x.X[batch], now.frequent, start)
    H_bar = chain(x.e_z[batch], now.b[None], H_bar)
    H = np.where(H_bar > 0, H_bar, np.float32(0))
    return H_bar, H, chain(H, now.W2, now.b2[None])


def step(
    now: Split, V: Split | None, x: Pixels, Y: Array, batch: Array, kappa: Array | None
) -> list[Split]:
    H_bar, H, last = forward(now, x, batch)
    s = np.float32(-LEARNING_RATE / len(batch))
    G2 = (outputs(last, "sigmoid") - Y[batch].astype(np.float32)) * s
    zero = np.float32(0)
    G = np.where(H_bar > 0, np.float32(1), zero) * chain(G2, now.W2.T, zero)
    ones = np.ones((1, len(batch)), np.float32)
    S_z, S_1 = chain(x.e_z[batch].T, G, zero), chain(ones, G, zero)
    start = Split(zero, zero, zero, zero, zero, zero)
    if kappa is not None:
        rare = fma(*np.broadcast_arrays(x.z[:, None], now.b, now.rare))
        start = start._replace(
            frequent=kappa * now.frequent,
            rare=kappa * rare,
            c=kappa * (now.c - now.b),
            W2=kappa * now.W2,
        )
    mixed, sums = np.array([[0, 1], [1, x.z_z]], np.float32), np.concatenate([S_z, S_1])
    steps = {
        "frequent": chain(x.X[batch].T, G, start.frequent),
        "b": chain(mixed[:1], sums, zero)[0],
        "c": chain(mixed[1:], sums, start.c)[0],
        "W2": chain(H.T, G2, start.W2),
        "b2": chain(ones, G2, zero)[0],
    }
    if V is None:
        moved = {name: getattr(now, name) + S for name, S in steps.items()}
        return [Split(**moved, rare=chain(x.e[batch].T, G, now.rare + start.rare))]
    velocity = {name: MOMENTUM * getattr(V, name) + S for name, S in steps.items()}
    velocity["rare"] = chain(x.e[batch].T, G, MOMENTUM * V.rare + start.rare)
    return [
        Split(**{name: getattr(now, name) + v for name, v in velocity.items()}),
        Split(**velocity),
    ]


@pytest.mark.parametrize("weight_decay", [0.0, 0.02])
@pytest.mark.parametrize("momentum", [0.0, float(MOMENTUM)])
@pytest.mark.parametrize("images", ["black", "white"])
def test_two_epochs_have_the_bits_that_are_specified(
    images: str, momentum: float, weight_decay: float
) -> None:
    rng = np.random.default_rng(1)
    lit = rng.random((50, 37)) < np.repeat([0.05, 0.0, 0.6], [15, 3, 19])
    pixels = (lit * rng.integers(1, 256, lit.shape)).astype(np.uint8)
    pixels = 255 - pixels if images == "white" else pixels
    labels = rng.integers(3, size=50)
    Y = np.eye(3, dtype=np.uint8)[labels]
    shift, scale = np.float32(33.3), np.float32(0.0127)
    inputs = inputs_of(AffineMap(np.array(33.3), np.array(0.0127)), pixels, np.float32, rare=RARE)
    x, examples = read(pixels, shift, scale), Examples(inputs, Y, labels)
    assert x.rare.sum() == 18
    network = initialise(architecture(18, biases="normal"), 37, 3, rng, np.float32)
    settings = training(momentum=momentum, weight_decay=weight_decay)
    layers = network.layers
    velocity = tuple(Layer(0 * layer.W, 0 * layer.b) for layer in layers)
    ours: Any = network, ()
    for _ in range(2):
        order = rng.permutation(50)
        batches = [order[start : start + BATCH] for start in range(0, 50, BATCH)]
        ours = COMPILED.epoch(ours[0], ours[1], examples, batches, settings, LEARNING_RATE)
        state = [split(layers, x), *([split(velocity, x)] if momentum else [])]
        for batch in batches:
            kappa = np.float32(-LEARNING_RATE * weight_decay) if weight_decay else None
            state = step(state[0], state[1] if momentum else None, x, Y, batch, kappa)
        layers, *velocities = (joined(each, x) for each in state)
        velocity = velocities[0] if momentum else velocity
    expected = [*layers, *(velocity if momentum else ())]
    for found, layer in zip((*ours[0].layers, *ours[1]), expected, strict=True):
        assert found.W.tobytes() == layer.W.tobytes()
        assert found.b.tobytes() == layer.b.tobytes()
    last = forward(split(layers, x), x, np.arange(50))[2]
    right = float(np.mean(last.argmax(axis=1) == labels))
    assert COMPILED.score(ours[0], examples, "cross_entropy").accuracy == right

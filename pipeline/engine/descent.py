"""Trains and evaluates by compiled programs: the same as `network`, but fast.

Convention: weights are stored transposed, (n, m), so that every product reads along rows, with the
biases as another row; the output error includes the step size, 1/b and the sign of descent, so that
products give the step.

The first layer skips rare pixels that have their usual value. Their inputs are x = z + e (see
`inputs`), so that (2) is W x + b = W e + c, where c = W z + b. In a step (17), with
g = −ε / b δH_bar of each sample of a batch,

    W ← W + Σ g xᵀ = W + Σ g eᵀ + (Σ g) zᵀ    and    b ← b + Σ g

only the last term changes all of W: it is the change of b, times zᵀ. So U = W − b zᵀ changes only
in the columns in which e is not 0:

    W x + b = U e + b (e·z) + c
    U ← U + Σ g eᵀ,    b ← b + Σ g,    c ← c + Σ g (e·z) + (1 + z·z) Σ g

Frequent pixels are multiplied directly, as if z were 0. An epoch starts from the network and the
velocity that the previous epoch returned, and from nothing else, so that a resumed training ends
with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.engine import formulas, kernels
from pipeline.engine.code import LINE
from pipeline.engine.inputs import Inputs
from pipeline.engine.program import Indices, Matrix, Program, applied, laid_out, matrix, times
from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import COSTS
from pipeline.network.dense import Layer, Network
from pipeline.network.evaluation import Score
from pipeline.network.settings import Training
from pipeline.network.training import Descent

# Rows evaluated at a time, few enough that a layer's inputs and weights stay in the cache. Results
# do not depend on it.
BLOCK = 240


class Examples(NamedTuple):
    """Inputs and their one-hot labels.

    Attributes:
        inputs: N of them.
        Y: zeros and ones, shape (N, m).
        labels: the numbers of their classes, shape (N,).
    """

    inputs: Inputs
    Y: NDArray[np.uint8]
    labels: NDArray[np.integer[Any]]


# The weights and biases of all layers, or their velocities, laid out for products: first W of the
# first layer's frequent features, b and c, shape (f + 2, m); then U of its rare features, shape
# (n − f, m); then of each other layer b and W, shape (1 + n, m).
_Parameters: TypeAlias = list[Matrix]


def _parameters(layers: tuple[Layer, ...], inputs: Inputs) -> _Parameters:
    (W, b), *rest = (Layer(*(each.astype(inputs.dtype) for each in layer)) for layer in layers)
    near, rare = W[:, inputs.frequent].T, laid_out(W[:, inputs.rare].T)
    c = times(inputs.z.T, rare, laid_out(b[np.newaxis]))
    others = (np.vstack([layer.b, layer.W.T]) for layer in rest)
    return [laid_out(X) for X in (np.vstack([near, b, c]), rare - inputs.z * b, *others)]


def _layers(parameters: _Parameters, inputs: Inputs) -> tuple[Layer, ...]:
    """Return copies in the layout of `network`."""
    near, U, *others = parameters
    b = near[-2].copy()
    W = np.empty((len(b), inputs.shape[1]), inputs.dtype)
    W[:, inputs.frequent] = near[:-2].T
    W[:, inputs.rare] = (U + inputs.z * b).T
    return Layer(W, b), *(Layer(np.ascontiguousarray(w[1:].T), w[0].copy()) for w in others)


def _forward(
    program: Program, now: _Parameters, activations: tuple[str, ...], inputs: Inputs
) -> tuple[Matrix, list[Matrix]]:
    """Add a forward pass to a program.

    Returns:
        The first layer's inputs, e·z and 1: shape (rows, f + 2); of each layer 1, then its outputs,
        but H_bar of the last one: shape (rows, 1 + m).
    """
    rows, dtype, f = len(program.index), program.dtype, len(inputs.frequent)
    line = LINE // dtype.itemsize
    near, U, *others = now
    E = matrix((rows, f + line), dtype)[:, : f + 2]  # with room for a vector
    pixels = (inputs.X, program.index)
    program.apply((formulas.affine,), E[:, :f], pixels, inputs.shift, inputs.scale)
    # From 1 a chain of products with z's padding, 0, ends at 1.
    zero_and_one = laid_out(np.array([[0, 1]], dtype))
    program.sparse_product(inputs.sparse, inputs.z, zero_and_one, E[:, f:])
    # Outputs begin at a cache line, after 1.
    H = [matrix((rows, line + W.shape[1]), dtype)[:, line - 1 :] for W in (near, *others)]
    for each in H:
        each[:, 0] = 1
    X, *rest = (each[:, 1:] for each in H)
    program.sparse_product(inputs.sparse, U, near[-1:], X)
    program.product(E[:, :-1], near[:-1], X, X)
    for W, H_bar, name in zip(others, rest, activations[:-1], strict=True):
        program.apply((ACTIVATIONS[name].function,), X, X)
        program.product(X, W[1:], H_bar, W[:1])
        X = H_bar
    return E, H


class _Step(Program):
    """A step (17) on `rows` inputs; other arguments are those of `epoch`, with Y laid out."""

    def __init__(
        self,
        now: _Parameters,
        velocity: _Parameters,
        activations: tuple[str, ...],
        examples: Examples,
        rows: int,
        training: Training,
        learning_rate: float,
    ) -> None:
        inputs, Y = examples.inputs, examples.Y
        z, f = inputs.z, len(inputs.frequent)
        super().__init__(inputs.dtype, rows)
        self.call(kernels.fetch, rows, self.index, *inputs.sparse, inputs.X, Y)
        E, H = _forward(self, now, activations, inputs)
        decay = -learning_rate * training.weight_decay
        starts = self._starts(now, z, decay)
        for V in velocity:
            self.apply((np.multiply,), V, V, training.momentum)
        moving = velocity or now
        G = H[-1][:, 1:]  # overwritten row by row, to stay in the cache
        gradient = COSTS[training.cost].gradient, ACTIVATIONS[activations[-1]]
        self.apply(gradient, G, G, (Y, self.index))
        self.apply((np.multiply,), G, G, -learning_rate / rows)
        for number in reversed(range(2, len(now))):
            W, X, name = now[number], H[number - 2], activations[number - 2]
            Wt, before = matrix(W[1:].T.shape, self.dtype), matrix(X[:, 1:].shape, self.dtype)
            self.call(kernels.transpose, *W[1:].shape, W[1:], Wt)  # before these weights change
            self.product(G, Wt, before)
            self.apply((formulas.derive, ACTIVATIONS[name]), before, before, X[:, 1:])
            self.product(X.T, G, moving[number], starts[number], added=True)
            G = before
        near, U, sums = moving[0], moving[1], matrix((2, G.shape[1]), self.dtype)
        self.product(E[:, :f].T, G, near[:f], starts[0][:f], added=True)
        self.product(E[:, f:].T, G, sums)  # Σ g (e·z) and Σ g
        mix = np.array([[0, 1], [1, times(z.T, z, np.ones((1, 1), z.dtype))[0, 0]]], z.dtype)
        self.product(mix, sums, near[f:], starts[0][f:], added=True)
        if decay:
            self.apply((np.add,), U, U, starts[1])
        words = self.index, *inputs.sparse, U, G, G
        self.call(kernels.sparse_product, *G.shape, *words, transposed=True)
        if velocity:
            for W, V in zip(now, velocity, strict=True):
                self.apply((np.add,), W, W, V)

    def _starts(self, now: _Parameters, z: Matrix, decay: float) -> _Parameters:
        """Add what steps start from, before any weight changes: κ W, or 0 without weight decay."""
        if not decay:
            return [np.broadcast_to(matrix((1, W.shape[1]), self.dtype), W.shape) for W in now]
        near, rare, *others = starts = [matrix(W.shape, self.dtype) for W in now]
        b, c = now[0][-2:-1], now[0][-1:]
        self.apply((np.multiply,), near[:-2], now[0][:-2], decay)
        self.apply((formulas.affine,), near[-1:], c, b, decay)  # κ (c − b)
        self.product(z, b, rare, now[1])
        self.apply((np.multiply,), rare, rare, decay)  # κ (z b + U)
        for start, W in zip(others, now[2:], strict=True):
            self.apply((np.multiply,), start[1:], W[1:], decay)  # 0 for the biases
        return starts


def epoch(
    network: Network,
    velocity: tuple[Layer, ...] | None,
    examples: Examples,
    batches: Iterable[Indices],
    training: Training,
    learning_rate: float,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take one step of gradient descent per batch; see `network.descent.epoch`."""
    inputs, moving = examples.inputs, list[Matrix]()
    now, laid = _parameters(network.layers, inputs), examples._replace(Y=laid_out(examples.Y))
    if training.momentum:
        zeros = tuple(Layer(0 * layer.W, 0 * layer.b) for layer in network.layers)
        moving = _parameters(velocity or zeros, inputs)
    steps: dict[int, _Step] = {}
    for batch in batches:
        rows = len(batch)
        if rows not in steps:
            words = now, moving, network.activations, laid, rows, training, learning_rate
            steps[rows] = _Step(*words)
        steps[rows].run(batch)
    moved = Network(_layers(now, inputs), network.activations)
    return moved, _layers(moving, inputs) if moving else ()


def pre_activations(network: Network, inputs: Inputs) -> Matrix:
    """Return the last layer's H_bar for all inputs: shape (N, m)."""
    N, parameters = len(inputs.X), _parameters(network.layers, inputs)
    H_bar = matrix((N, len(network.layers[-1].b)), inputs.dtype)
    rows = min(BLOCK, N)
    program = Program(inputs.dtype, rows)
    _, outputs = _forward(program, parameters, network.activations, inputs)
    for block in range(0, N, BLOCK):
        start = min(block, N - rows)  # the last block overlaps the one before
        program.run(np.arange(start, start + rows))
        H_bar[start : start + rows] = outputs[-1][:, 1:]
    return H_bar


def score(network: Network, examples: Examples, cost: str) -> Score:
    """Return the mean cost and the accuracy over all examples."""
    H_bar = pre_activations(network, examples.inputs)
    accuracy = float(np.mean(H_bar.argmax(axis=1) == examples.labels))
    return Score(mean_cost(H_bar, examples.Y, cost, network.activations[-1]), accuracy)


def mean_cost(H_bar: Matrix, Y: NDArray[np.uint8], cost: str, activation: str) -> float:
    """Return the mean cost, added up in float64 by sample, then by output."""
    values = applied((COSTS[cost].value, ACTIVATIONS[activation]), H_bar, Y)
    return float(np.add.accumulate(values.astype(np.float64).ravel())[-1]) / len(H_bar)


def outputs(H_bar: Matrix, activation: str) -> Matrix:
    """Return f(H_bar) of the last layer: shape (N, m)."""
    return applied((ACTIVATIONS[activation].function,), H_bar)


COMPILED = Descent(epoch, score)

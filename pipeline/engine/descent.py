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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.engine import formulas
from pipeline.engine.code import LINE
from pipeline.engine.inputs import Inputs
from pipeline.engine.program import Indices, Matrix, Program, applied, laid_out, matrix, times
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


class _Parameters(NamedTuple):
    """All layers' weights and biases, or their velocities, laid out for products.

    Attributes:
        near: of the first layer: W of the frequent features, b and c, shape (f + 2, m).
        U: of the first layer, for its rare features, shape (n − f, m).
        others: of each other layer: b, then W, shape (1 + n, m).
    """

    near: Matrix
    U: Matrix
    others: list[Matrix]


def _parameters(layers: tuple[Layer, ...], inputs: Inputs) -> _Parameters:
    (W, b), *rest = (Layer(*(each.astype(inputs.dtype) for each in layer)) for layer in layers)
    near, rare = W[:, inputs.frequent].T, laid_out(W[:, inputs.rare].T)
    c = times(inputs.z.T, rare, laid_out(b[np.newaxis]))
    return _Parameters(
        laid_out(np.vstack([near, b, c])),
        laid_out(rare - inputs.z * b),
        [laid_out(np.vstack([layer.b, layer.W.T])) for layer in rest],
    )


def _layers(parameters: _Parameters, inputs: Inputs) -> tuple[Layer, ...]:
    """Return copies in the layout of `network`."""
    near, b = parameters.near[:-2], parameters.near[-2].copy()
    W = np.empty((len(b), inputs.shape[1]), inputs.dtype)
    W[:, inputs.frequent] = near.T
    W[:, inputs.rare] = (parameters.U + inputs.z * b).T
    others = (Layer(np.ascontiguousarray(w[1:].T), w[0].copy()) for w in parameters.others)
    return (Layer(W, b), *others)


def _forward(
    program: Program, now: _Parameters, activations: tuple[str, ...], inputs: Inputs
) -> tuple[Matrix, list[Matrix]]:
    """Add a forward pass to a program.

    Returns:
        The first layer's inputs, e·z and 1: shape (rows, f + 2); of each layer 1, then its outputs,
        but H_bar of the last one: shape (rows, 1 + m).
    """
    rows, dtype = len(program.index), program.dtype
    outputs: list[Matrix] = []
    f, line = len(inputs.frequent), LINE // dtype.itemsize
    E = matrix((rows, f + line), dtype)[:, : f + 2]  # with room for a vector
    pixels = (inputs.X, program.index)
    program.apply((formulas.affine,), E[:, :f], pixels, inputs.shift, inputs.scale)
    program.apply((np.positive,), E[:, f:], (inputs.ends, program.index))
    X, W, start = E[:, :-1], now.near[:-1], now.near[-1:]
    for layer, name in zip([*now.others, None], activations, strict=True):
        # The outputs begin at a cache line.
        ones_and_H = matrix((rows, line + W.shape[1]), dtype)[:, line - 1 :]
        ones_and_H[:, 0], H = 1, ones_and_H[:, 1:]
        if not outputs:
            program.sparse_product(inputs.sparse, now.U, start, H)
            start = H
        program.product(X, W, H, start)
        outputs.append(ones_and_H)
        if layer is not None:
            program.apply((formulas.activate, name), H, H)
            X, W, start = H, layer[1:], layer[:1]
    return E, outputs


class _Step(Program):
    """A step (17) on `rows` inputs; other arguments are those of `epoch`."""

    def __init__(
        self,
        now: _Parameters,
        velocity: _Parameters | None,
        activations: tuple[str, ...],
        examples: Examples,
        Y: Matrix,
        rows: int,
        training: Training,
        learning_rate: float,
    ) -> None:
        inputs = examples.inputs
        super().__init__(inputs.dtype, rows)
        self._momentum = training.momentum
        self._decay = -learning_rate * training.weight_decay
        self.fetch(inputs.sparse, inputs.X, Y)
        E, H = _forward(self, now, activations, inputs)
        G = H[-1][:, 1:]  # overwritten row by row, to stay in the cache
        s = self._constant(-learning_rate / rows, G)
        self.apply((formulas.error, training.cost, activations[-1]), G, G, (Y, self.index), s)
        for number in reversed(range(len(now.others))):
            W, X = now.others[number], H[number]
            Wt, before = matrix(W[1:].T.shape, self.dtype), matrix(X[:, 1:].shape, self.dtype)
            self.transpose(W[1:], Wt)  # before this layer's weights change
            self.product(G, Wt, before)
            self.apply((formulas.derive, activations[number]), before, before, X[:, 1:])
            decayed = matrix(W.shape, self.dtype)  # 0 for the biases
            if self._decay:
                self._scale(self._decay, decayed[1:], W[1:])
            self._move(X.T, G, W, velocity and velocity.others[number], decayed)
            G = before
        self._first_layer(inputs, E, G, now, velocity)

    def _first_layer(
        self, inputs: Inputs, E: Matrix, G: Matrix, now: _Parameters, velocity: _Parameters | None
    ) -> None:
        f, z, near, V = len(inputs.frequent), inputs.z, now.near, velocity and velocity.near
        decayed, decayed_U = matrix(near.shape, self.dtype), matrix(now.U.shape, self.dtype)
        if self._decay:  # before b changes: κ W, κ (c − b), and κ (U + z b) for the rare weights
            self._scale(self._decay, decayed[:f], near[:f])
            factor = self._constant(self._decay, near)
            self.apply((formulas.affine,), decayed[-1:], near[-1:], near[-2:-1], factor)
            self.product(z, near[-2:-1], decayed_U, now.U)
            self._scale(self._decay, decayed_U, decayed_U)
        self._move(E[:, :f].T, G, near[:f], None if V is None else V[:f], decayed[:f])
        sums = matrix((2, G.shape[1]), self.dtype)
        self.product(E[:, f:].T, G, sums)  # Σ g (e·z) and Σ g
        mix = np.array([[0, 1], [1, times(z.T, z, np.ones((1, 1), z.dtype))[0, 0]]], z.dtype)
        self._move(mix, sums, near[f:], None if V is None else V[f:], decayed[f:])
        moved = velocity.U if velocity else now.U
        if velocity:
            self._scale(self._momentum, moved, moved)
        if self._decay:
            self.apply((np.add,), moved, moved, decayed_U)
        self.add_sparse_product(inputs.sparse, G, moved)
        if velocity:
            self.apply((np.add,), now.U, now.U, moved)

    def _constant(self, number: float, X: Matrix) -> Matrix:
        """Return a row as long as X's, a number in each column."""
        return laid_out(np.full((1, X.shape[1]), number, self.dtype))

    def _scale(self, number: float, C: Matrix, X: Matrix) -> None:
        """Add C = a number times X."""
        self.apply((np.multiply,), C, self._constant(number, X), X)

    def _move(self, A: Matrix, G: Matrix, W: Matrix, V: Matrix | None, decayed: Matrix) -> None:
        """Add the step A G from κ W to W, or with momentum to V, which is then added to W."""
        start = decayed if self._decay else None
        if V is None:
            self.product(A, G, W, start, added=True)
        else:
            self._scale(self._momentum, V, V)
            self.product(A, G, V, start, added=True)
            self.apply((np.add,), W, W, V)


def epoch(
    network: Network,
    velocity: tuple[Layer, ...] | None,
    examples: Examples,
    batches: Iterable[Indices],
    training: Training,
    learning_rate: float,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take one step of gradient descent per batch; see `network.descent.epoch`."""
    inputs, moving = examples.inputs, None
    now, Y = _parameters(network.layers, inputs), laid_out(examples.Y, np.uint8)
    if training.momentum:
        zeros = tuple(Layer(0 * layer.W, 0 * layer.b) for layer in network.layers)
        moving = _parameters(velocity or zeros, inputs)
    steps: dict[int, _Step] = {}
    for batch in batches:
        rows = len(batch)
        if rows not in steps:
            steps[rows] = _Step(
                *(now, moving, network.activations, examples, Y, rows, training, learning_rate)
            )
        steps[rows].run(batch)
    moved = Network(_layers(now, inputs), network.activations)
    return moved, () if moving is None else _layers(moving, inputs)


def pre_activations(network: Network, inputs: Inputs) -> Matrix:
    """Return the last layer's H_bar for all inputs: shape (N, m)."""
    N, parameters = len(inputs.X), _parameters(network.layers, inputs)
    H_bar = matrix((N, len(network.layers[-1].b)), inputs.dtype)
    passes: dict[int, tuple[Program, Matrix]] = {}
    for start in range(0, N, BLOCK):
        rows = min(BLOCK, N - start)
        if rows not in passes:
            program = Program(inputs.dtype, rows)
            _, outputs = _forward(program, parameters, network.activations, inputs)
            passes[rows] = program, outputs[-1][:, 1:]
        program, last = passes[rows]
        program.run(np.arange(start, start + rows))
        H_bar[start : start + rows] = last
    return H_bar


def score(network: Network, examples: Examples, cost: str) -> Score:
    """Return the mean cost and the accuracy over all examples."""
    H_bar = pre_activations(network, examples.inputs)
    accuracy = float(np.mean(H_bar.argmax(axis=1) == examples.labels))
    return Score(mean_cost(H_bar, examples.Y, cost, network.activations[-1]), accuracy)


def mean_cost(H_bar: Matrix, Y: NDArray[np.uint8], cost: str, activation: str) -> float:
    """Return the mean cost, added up in float64 by sample, then by output."""
    formula = (formulas.value, cost, activation)
    values = applied(formula, laid_out(H_bar), laid_out(Y, H_bar.dtype))
    return float(np.add.accumulate(values.astype(np.float64).ravel())[-1]) / len(H_bar)


def outputs(H_bar: Matrix, activation: str) -> Matrix:
    """Return f(H_bar) of the last layer: shape (N, m)."""
    return applied((formulas.activate, activation), laid_out(H_bar))


COMPILED = Descent(epoch, score)

"""Trains and evaluates by compiled programs: the same as `network`, but fast.

Convention: weights are stored transposed, (n, m), so that every product reads along rows; the
output error includes the step size, 1/b and the sign of descent, so that products give the step.

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

from pipeline.engine import kernels
from pipeline.engine.inputs import Indices, Inputs, add_transposed_times, times
from pipeline.engine.program import Matrix, Program, laid_out, matrix, vectors
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


class _Parameters:
    """All layers' weights and biases, or their velocities, laid out for products.

    Attributes:
        near: of the first layer: W of the frequent features, b and c, shape (f + 2, m).
        U: of the first layer, for its rare features, shape (n − f, m).
        W: the other layers' weights, transposed, shape (n, m) each.
        b: their biases, shape (1, m) each.
    """

    def __init__(self, layers: tuple[Layer, ...], inputs: Inputs) -> None:
        self._inputs = inputs
        (W, b), self.dtype = layers[0], inputs.dtype
        self.W = [laid_out(layer.W.T, self.dtype) for layer in layers[1:]]
        self.b = [laid_out(layer.b[np.newaxis], self.dtype) for layer in layers[1:]]
        f, z = len(inputs.frequent), inputs.z[np.newaxis]
        rare = laid_out(W[:, inputs.rare].T, self.dtype)
        self.near = matrix((f + 2, len(b)), self.dtype)
        self.near[:f], self.near[f] = W[:, inputs.frequent].T, b
        program = Program(self.dtype)
        program.product(z, rare, self.near[f + 1 :], "store", start=self.near[f : f + 1])
        program.run()
        self.U = laid_out(rare - z.T * b, self.dtype)

    def layers(self) -> tuple[Layer, ...]:
        """Return copies in the layout of `network`."""
        inputs, b = self._inputs, self.near[-2].copy()
        W = np.empty((len(b), inputs.shape[1]), self.dtype)
        W[:, inputs.frequent] = self.near[:-2].T
        W[:, inputs.rare] = (self.U + inputs.z[:, np.newaxis] * b).T
        rest = zip(self.W, self.b, strict=True)
        return (Layer(W, b), *(Layer(np.ascontiguousarray(w.T), v[0].copy()) for w, v in rest))


class _Forward:
    """The program of a forward pass, for `rows` inputs.

    Attributes:
        program: the program; a step adds its own calls.
        index: indices of the inputs, shape (rows,); set before the program runs.
        E: the first layer's inputs, shape (rows, f + 2).
        H: outputs of each layer, but H_bar of the last one, shape (rows, m).
    """

    def __init__(
        self,
        parameters: _Parameters,
        activations: tuple[str, ...],
        inputs: Inputs,
        rows: int,
        labels: Matrix | None = None,
    ) -> None:
        dtype, near = inputs.dtype, parameters.near
        self.program = program = Program(dtype)
        self._index = np.zeros(rows + kernels.AHEAD, np.int64)
        self.index = self._index[:rows]
        self.E = matrix((rows, len(near)), dtype)
        widths = [near.shape[1], *(W.shape[1] for W in parameters.W)]
        self.H = [matrix((rows, width), dtype) for width in widths]
        if labels is not None:
            program.call(kernels.fetch, (), rows, self.index, *inputs.sparse, labels)
        inputs.gather(program, rows, self._index, self.E)
        start = near[-1:]
        if len(inputs.rare):
            times(program, inputs, rows, self.index, parameters.U, self.H[0], start)
            start = self.H[0]
        layers = [
            (self.E[:, :-1], near[:-1], start),
            *zip(self.H, parameters.W, parameters.b, strict=False),
        ]
        last = ("store",)
        for (X, W, b), H, name in zip(layers, self.H, activations, strict=True):
            epilogue = last if H is self.H[-1] else ("activate", name)
            program.product(X, W, H, *epilogue, start=b)

    def run(self, index: Indices) -> None:
        """Run it for the inputs at `index`."""
        self.index[:] = index
        self.program.run()


class _Step:
    """The program of a step (17) on `rows` inputs; other arguments are those of `epoch`."""

    def __init__(
        self,
        now: _Parameters,
        velocity: _Parameters | None,
        activations: tuple[str, ...],
        examples: Examples,
        labels: Matrix,
        rows: int,
        training: Training,
    ) -> None:
        inputs = examples.inputs
        self._forward = forward = _Forward(now, activations, inputs, rows, labels)
        self._program, dtype = forward.program, inputs.dtype
        self._now, self._velocity, self._rows = now, velocity, rows
        self._training = training
        self._factor, self._decay = np.zeros(1, dtype), np.zeros(1, dtype)
        self._momentum = np.full(1, training.momentum, dtype)
        self._ones = np.broadcast_to(np.ones(1, dtype), (1, rows))
        G = forward.H[-1]  # overwritten element by element, to stay in the cache
        formula = (kernels.error, training.cost, activations[-1])
        elementwise(self._program, formula, G, forward.index, labels, G, self._factor)
        for number in range(len(now.W) - 1, -1, -1):
            W, H = now.W[number], forward.H[number]
            Wt, before = matrix(W.T.shape, dtype), matrix(H.shape, dtype)
            transpose(self._program, W, Wt)  # before this layer's weights change
            self._program.product(G, Wt, before, "derive", activations[number], D=H)
            V_W, V_b = (velocity.W[number], velocity.b[number]) if velocity else (None, None)
            self._move(H.T, G, W, V_W, self._decayed(W))
            self._move(self._ones, G, now.b[number], V_b)
            G = before
        self._first_layer(inputs, G)

    def _move(
        self, A: Matrix, G: Matrix, C: Matrix, V: Matrix | None, start: Matrix | None = None
    ) -> None:
        """Add the step, start + A G, to C, or with momentum to V, which is then added to C."""
        if V is None:
            self._program.product(A, G, C, "add", start=start)
        else:
            epilogue = "add with momentum"
            self._program.product(A, G, C, epilogue, start=start, D=V, scalar=self._momentum)

    def _decayed(
        self, W: Matrix, A: Matrix | None = None, B: Matrix | None = None
    ) -> Matrix | None:
        """Return a matrix that will hold κ (W + A B), or κ W; None without weight decay."""
        if not self._training.weight_decay:
            return None
        scaled = matrix(W.shape, W.dtype)
        A, B = (W[:, :0], W[:0]) if A is None or B is None else (A, B)
        self._program.product(A, B, scaled, "scale", start=W, scalar=self._decay)
        return scaled

    def _first_layer(self, inputs: Inputs, G: Matrix) -> None:
        E, now, V = self._forward.E, self._now, self._velocity
        f, dtype, program = len(inputs.frequent), inputs.dtype, self._program
        near, moving = now.near, None if V is None else V.near
        z, sums = laid_out(inputs.z[:, np.newaxis]), matrix((2, G.shape[1]), dtype)
        # Before b changes: κ (U + z b), for the rare weights, and κ (c − b).
        decayed_U = self._decayed(now.U, z, near[f : f + 1])
        difference = np.array([[0, 0], [-1, 1]], dtype)
        decayed_c = self._decayed(matrix(sums.shape, dtype), difference, near[f:])
        self._move(
            *(E[:, :f].T, G, near[:f], None if moving is None else moving[:f]),
            self._decayed(near[:f]),
        )
        program.product(E[:, f:].T, G, sums, "store")  # Σ g (e·z) and Σ g
        square = matrix((1, 1), dtype)
        once = Program(dtype)
        once.product(z.T, z, square, "store", start=laid_out(np.ones((1, 1), dtype)))
        once.run()
        mix = np.array([[0, 1], [1, square[0, 0]]], dtype)
        self._move(mix, sums, near[f:], None if moving is None else moving[f:], decayed_c)
        if not len(inputs.rare):
            return
        moved = now.U if V is None else V.U
        if V is not None:
            program.product(moved[:, :0], G[:0], moved, "scale", start=moved, scalar=self._momentum)
        if decayed_U is not None:
            program.product(moved[:, :0], G[:0], moved, "add", start=decayed_U)
        add_transposed_times(program, inputs, self._rows, self._forward.index, G, moved)
        if V is not None:
            program.product(moved[:, :0], G[:0], now.U, "add", start=moved)

    def run(self, index: Indices, learning_rate: float) -> None:
        """Take the step on the examples at `index`."""
        self._factor[0] = -learning_rate / self._rows
        self._decay[0] = -learning_rate * self._training.weight_decay
        self._forward.run(index)


def epoch(
    network: Network,
    velocity: tuple[Layer, ...] | None,
    examples: Examples,
    batches: Iterable[Indices],
    training: Training,
    learning_rate: float,
) -> tuple[Network, tuple[Layer, ...]]:
    """Take one step of gradient descent per batch; see `network.descent.epoch`."""
    now, labels = _Parameters(network.layers, examples.inputs), laid_out(examples.Y, np.uint8)
    moving = None
    if training.momentum:
        zeros = tuple(Layer(0 * layer.W, 0 * layer.b) for layer in network.layers)
        moving = _Parameters(velocity or zeros, examples.inputs)
    steps: dict[int, _Step] = {}
    for batch in batches:
        rows = len(batch)
        if rows not in steps:
            steps[rows] = _Step(now, moving, network.activations, examples, labels, rows, training)
        steps[rows].run(batch, learning_rate)
    moved = Network(now.layers(), network.activations)
    return moved, () if moving is None else moving.layers()


def pre_activations(network: Network, inputs: Inputs) -> Matrix:
    """Return the last layer's H_bar for all inputs: shape (N, m)."""
    N, parameters = inputs.shape[0], _Parameters(network.layers, inputs)
    H_bar = matrix((N, len(network.layers[-1].b)), inputs.dtype)
    passes: dict[int, _Forward] = {}
    for start in range(0, N, BLOCK):
        rows = min(BLOCK, N - start)
        if rows not in passes:
            passes[rows] = _Forward(parameters, network.activations, inputs, rows)
        passes[rows].run(np.arange(start, start + rows))
        H_bar[start : start + rows] = passes[rows].H[-1]
    return H_bar


def score(network: Network, examples: Examples, cost: str) -> Score:
    """Return the mean cost and the accuracy over all examples."""
    H_bar = pre_activations(network, examples.inputs)
    accuracy = float(np.mean(H_bar.argmax(axis=1) == examples.labels))
    return Score(mean_cost(H_bar, examples.Y, cost, network.activations[-1]), accuracy)


def mean_cost(H_bar: Matrix, Y: NDArray[np.uint8], cost: str, activation: str) -> float:
    """Return the mean cost, added up in float64 by sample, then by output."""
    H_bar = laid_out(H_bar)
    values, program = matrix(H_bar.shape, H_bar.dtype), Program(H_bar.dtype)
    rows = np.arange(len(H_bar))
    formula = (kernels.value, cost, activation)
    elementwise(program, formula, H_bar, rows, laid_out(Y, np.uint8), values)
    program.run()
    return float(np.add.accumulate(values.astype(np.float64).ravel())[-1]) / len(H_bar)


def outputs(H_bar: Matrix, activation: str) -> Matrix:
    """Return f(H_bar) of the last layer: shape (N, m)."""
    H_bar = laid_out(H_bar)
    H, program = matrix(H_bar.shape, H_bar.dtype), Program(H_bar.dtype)
    rows = np.arange(len(H_bar))
    unused = matrix((1, H_bar.shape[1]), np.uint8)  # labels
    elementwise(program, (kernels.output, activation), H_bar, 0 * rows, unused, H)
    program.run()
    return H


def elementwise(
    program: Program,
    formula: tuple[Any, ...],
    H: Matrix,
    index: Indices,
    Y: Matrix,
    C: Matrix,
    scalar: NDArray[Any] | None = None,
) -> None:
    """Add to a program: C = a formula of `kernels` of H and the labels Y at `index`."""
    rows, columns = H.shape
    assert H.dtype == C.dtype == program.dtype
    assert Y.dtype == np.uint8
    program.call(
        kernels.elementwise,
        formula,
        *(rows, columns, H, index, Y, C, program.zero if scalar is None else scalar),
    )


def transpose(program: Program, W: Matrix, Wt: Matrix) -> None:
    """Add to a program: Wt = Wᵀ."""
    counts = (vectors(length, program.dtype) for length in W.shape)
    program.call(kernels.transpose, (), *counts, W, Wt)


COMPILED = Descent(epoch, score)

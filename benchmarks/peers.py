"""Train the same network with one of several libraries: `python -m benchmarks.peers NAME`.

Convention: a peer prepares (imports, data, compilation), prints `ready`, waits for a line, trains,
and prints the seconds. All train on the same images in float32, with the same number of steps and
the same step sizes, and compute cost and accuracy over all training and validation images after
every epoch. Each peer is idiomatic code for its library, tuned by hand.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import Config, compose
from pipeline.base.paths import Paths, find_root
from pipeline.data.prepared import Prepared
from pipeline.data.prepared import load as load_data
from pipeline.engine.descent import COMPILED
from pipeline.engine.examples import ready
from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import COSTS, cross_entropy
from pipeline.network.dense import Layer, Network, cost_and_gradients, forward
from pipeline.network.descent import descend
from pipeline.network.randomness import generator
from pipeline.network.training import Start, train
from pipeline.sweep.job import first_network

Float32 = NDArray[np.float32]


@dataclass
class Job:
    """A training.

    Attributes:
        config: the experiment; all peers use its layers, batch size and step size.
        prepared: its raw images.
        X: training inputs, float32, shape (N, n).
        Y: their one-hot labels.
        X_v: validation inputs.
        Y_v: their one-hot labels.
        seeds: to train.
        epochs: number of epochs.
    """

    config: Config
    prepared: Prepared
    X: Float32
    Y: Float32
    X_v: Float32
    Y_v: Float32
    seeds: Sequence[int]
    epochs: int

    @property
    def batch(self) -> int:
        """Samples per step."""
        return self.config.training.batch_size

    @property
    def rate(self) -> float:
        """The step size."""
        return self.config.training.learning_rate

    def network(self, seed: int) -> Network:
        """Return the first weights, the same for every peer."""
        return first_network(replace(self.config, seed=seed), self.X.shape[1])

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the order of an epoch, cut to whole batches."""
        steps = len(self.X) // self.batch
        return generator(seed, "order", epoch).permutation(len(self.X))[: steps * self.batch]

    def batches(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the same as shape (steps, b)."""
        return self.order(seed, epoch).reshape(-1, self.batch)


def load(seeds: Sequence[int], epochs: int) -> Job:
    """Return the job on the checkout's data."""
    config = compose(Paths(find_root()))
    data = load_data(config, Paths(find_root()))
    return Job(
        config,
        data,
        data.preprocessor.apply(data.train.raw, np.float32),
        data.train.one_hot.astype(np.float32),
        data.preprocessor.apply(data.validation.raw, np.float32),
        data.validation.one_hot.astype(np.float32),
        seeds,
        epochs,
    )


# Rows that peers evaluate at once: enough for matrix products to reach the machine's peak.
EVALUATION_ROWS = 1000

# A peer takes a job and returns the last validation accuracy of its last seed.
Peer = Callable[[Job], float]


def blocks(count: int) -> list[slice]:
    """Return the rows that are evaluated at once."""
    return [slice(i, min(i + EVALUATION_ROWS, count)) for i in range(0, count, EVALUATION_ROWS)]


# --- NumPy -------------------------------------------------------------------------------------


def ours(job: Job) -> Callable[[], float]:
    """Return a function that trains as `pipeline.sweep.job` does, without files."""
    training = replace(job.config.training, epochs=job.epochs)
    examples = ready(job.config, job.prepared)
    first, batches = job.network(job.seeds[0]), job.batches(job.seeds[0], 1)[:1]
    COMPILED.epoch(first, None, examples.train, batches, training, job.rate)  # compiles
    COMPILED.score(first, examples.validation, training.cost)

    def run() -> float:
        accuracy = 0.0
        for seed in job.seeds:
            for epoch in train(
                Start(0, job.network(seed), None),
                examples.train,
                examples.validation,
                training,
                seed=seed,
                descent=COMPILED,
            ):
                accuracy = epoch.validation.accuracy
        return accuracy

    return run


def limit(job: Job) -> float:
    """Only multiply matrices of the job's shapes, into buffers."""
    return multiply(job, job.X.shape[1])


def limit_of_ours(job: Job) -> Callable[[], float]:
    """Return `limit` with as many inputs as `ours` multiplies, without its sparse ones."""
    inputs = ready(job.config, job.prepared).train.inputs
    return lambda: multiply(job, len(inputs.frequent) + 2)


def multiply(job: Job, inputs: int) -> float:
    """Multiply matrices as training and evaluation do with this number of inputs."""
    widths = [len(layer.b) for layer in job.network(0).layers]
    rng = np.random.default_rng(0)

    def made(*shape: int) -> Float32:
        return rng.normal(size=shape).astype(np.float32)

    H = [made(job.batch, size) for size in (inputs, *widths)]
    E = [made(EVALUATION_ROWS, size) for size in (inputs, *widths)]
    W = [made(n, m) for n, m in itertools.pairwise((inputs, *widths))]
    dW = [np.empty_like(weights) for weights in W]
    steps, evaluations = -(-len(job.X) // job.batch), len(blocks(len(job.X) + len(job.X_v)))
    layers = range(len(W))
    for _ in range(len(job.seeds) * job.epochs):
        for _ in range(steps):
            for index in layers:
                np.matmul(H[index], W[index], out=H[index + 1])
            for index in reversed(layers):
                np.matmul(H[index].T, H[index + 1], out=dW[index])
                if index:
                    np.matmul(H[index + 1], W[index].T, out=H[index])
        for _ in range(evaluations):
            for index in layers:
                np.matmul(E[index], W[index], out=E[index + 1])
    return float("nan")


def readable(job: Job) -> float:
    """Train with the readable network of `pipeline.network.dense`."""
    accuracy = 0.0
    for seed in job.seeds:
        network = job.network(seed)
        for epoch in range(1, job.epochs + 1):
            for rows in job.batches(seed, epoch):
                _, gradients = cost_and_gradients(
                    network, job.X[rows], job.Y[rows], "cross_entropy"
                )
                network, _ = descend(network, gradients, learning_rate=job.rate)
            for X, Y in ((job.X, job.Y), (job.X_v, job.Y_v)):
                right = 0
                for block in blocks(len(X)):
                    H_bar = forward(network, X[block]).pre_activations[-1]
                    cross_entropy(H_bar, Y[block], ACTIVATIONS["sigmoid"]).sum()
                    right += int(np.sum(H_bar.argmax(axis=1) == Y[block].argmax(axis=1)))
                accuracy = right / len(X)
    return accuracy


# Steps that `sample_by_sample` takes; the time of the others is extrapolated.
SAMPLED_STEPS = 20


def sample_by_sample(job: Job) -> float:
    """Train with one matrix-vector product per sample, in float64; only twenty steps are timed."""
    network = job.network(0)
    W = [layer.W.astype(np.float64) for layer in network.layers]
    b = [layer.b.astype(np.float64)[:, np.newaxis] for layer in network.layers]
    f = [ACTIVATIONS[name] for name in network.activations]
    X, Y = job.X.astype(np.float64)[..., np.newaxis], job.Y.astype(np.float64)[..., np.newaxis]

    def through(x: NDArray[Any]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        inputs, pre = [x], []
        for weights, bias, activation in zip(W, b, f, strict=True):
            pre.append(weights @ inputs[-1] + bias)
            inputs.append(activation.function(pre[-1]))
        return inputs, pre

    start = time.perf_counter()
    for rows in job.batches(0, 1)[:SAMPLED_STEPS]:
        inputs, pre = through(X[rows])
        delta = COSTS["cross_entropy"].gradient(pre[-1], Y[rows], f[-1])
        for index in reversed(range(len(W))):
            step = (delta @ inputs[index].transpose(0, 2, 1)).mean(axis=0)
            if index:
                error = f[index - 1].derivative(inputs[index]) * (W[index].T @ delta)
            W[index] -= job.rate * step
            b[index] -= job.rate * delta.mean(axis=0)
            delta = error
    trained = time.perf_counter()
    through(X[:EVALUATION_ROWS])
    evaluated = time.perf_counter()
    whole = (
        (trained - start) / SAMPLED_STEPS * len(job.X) / job.batch
        + (evaluated - trained) / EVALUATION_ROWS * (len(X) + len(job.X_v))
    ) * job.epochs
    raise Extrapolated(whole)


class Extrapolated(Exception):
    """Carries the seconds that the whole job would take."""


# --- scikit-learn ------------------------------------------------------------------------------


def scikit_learn(job: Job) -> float:
    """Train scikit-learn's MLPClassifier, with softmax outputs and our evaluation."""
    from sklearn.neural_network import MLPClassifier

    labels, labels_v = job.prepared.train.labels[: len(job.X)], job.prepared.validation.labels
    accuracy = 0.0
    for seed in job.seeds:
        network = MLPClassifier(
            tuple(job.config.network.hidden),
            solver="sgd",
            batch_size=job.batch,
            learning_rate_init=job.rate,
            momentum=0.0,
            alpha=0.0,
            random_state=seed,
        )
        for _ in range(job.epochs):
            network.partial_fit(job.X, labels, classes=np.arange(job.Y.shape[1]))
            for X, known in ((job.X, labels), (job.X_v, labels_v)):
                right = 0
                for block in blocks(len(X)):
                    outputs = network.predict_proba(X[block])
                    np.log(outputs[np.arange(len(outputs)), known[block]] + 1e-12).sum()
                    right += int(np.sum(outputs.argmax(axis=1) == known[block]))
                accuracy = right / len(X)
    return accuracy


# --- PyTorch -----------------------------------------------------------------------------------


def _torch(threads: int) -> Any:
    import torch

    torch.set_num_threads(threads)
    return torch


def _torch_modules(
    job: Job, *, threads: int, fused: bool = False, compiled: bool = False
) -> Callable[[Job], float]:
    """Return a function that trains a job: one network, reset to each seed's first weights."""
    torch = _torch(threads)
    widths = [job.X.shape[1], *job.config.network.hidden, job.Y.shape[1]]
    linears = [torch.nn.Linear(n, m) for n, m in itertools.pairwise(widths)]
    between = [(linear, torch.nn.ReLU()) for linear in linears[:-1]]
    network = torch.nn.Sequential(*itertools.chain(*between), linears[-1])
    optimiser = torch.optim.SGD(network.parameters(), lr=job.rate, fused=fused or None)
    cost = torch.nn.BCEWithLogitsLoss(reduction="sum")

    def loss(x: Any, y: Any) -> Any:
        return cost(network(x), y) / len(x)

    stepped = torch.compile(loss) if compiled else loss

    def run(job: Job) -> float:
        X, Y, X_v, Y_v = (torch.from_numpy(each) for each in (job.X, job.Y, job.X_v, job.Y_v))
        accuracy = 0.0
        for seed in job.seeds:
            with torch.no_grad():
                for linear, layer in zip(linears, job.network(seed).layers, strict=True):
                    linear.weight.copy_(torch.from_numpy(layer.W))
                    linear.bias.copy_(torch.from_numpy(layer.b))
            for epoch in range(1, job.epochs + 1):
                for rows in torch.from_numpy(job.batches(seed, epoch)):
                    optimiser.zero_grad()
                    stepped(X[rows], Y[rows]).backward()
                    optimiser.step()
                with torch.inference_mode():
                    for x, y in ((X, Y), (X_v, Y_v)):
                        right = 0
                        for block in blocks(len(x)):
                            H_bar = network(x[block])
                            cost(H_bar, y[block]).item()
                            right += (H_bar.argmax(1) == y[block].argmax(1)).sum().item()
                        accuracy = right / len(x)
        return accuracy

    return run


def _torch_by_hand(job: Job, *, threads: int) -> float:
    """Forward and backward pass by hand into preallocated tensors, all seeds at once."""
    torch = _torch(threads)
    X, Y, X_v, Y_v = (torch.from_numpy(each) for each in (job.X, job.Y, job.X_v, job.Y_v))
    k, b = len(job.seeds), job.batch
    networks = [job.network(seed) for seed in job.seeds]
    # Matrices for one seed, stacks of matrices for several.
    one = k == 1
    lead: tuple[int, ...] = () if one else (k,)
    product = torch.mm if one else torch.bmm
    added = torch.addmm if one else torch.baddbmm

    def stack(arrays: list[Any]) -> Any:
        return torch.from_numpy(arrays[0] if one else np.stack(arrays)).clone()

    count = len(networks[0].layers)
    W = [stack([n.layers[i].W.T.copy() for n in networks]) for i in range(count)]
    bias = [stack([n.layers[i].b[np.newaxis] for n in networks]) for i in range(count)]
    widths = [X.shape[1], *(weights.shape[-1] for weights in W)]
    H = [torch.empty((*lead, b, width)) for width in widths]
    delta = [torch.empty((*lead, b, width)) for width in widths]
    targets = torch.empty((*lead, b, widths[-1]))
    accuracy = 0.0
    with torch.inference_mode():
        for epoch in range(1, job.epochs + 1):
            orders = torch.from_numpy(np.stack([job.batches(s, epoch) for s in job.seeds], axis=1))
            for rows in orders:
                if one:
                    torch.index_select(X, 0, rows[0], out=H[0])
                    torch.index_select(Y, 0, rows[0], out=targets)
                else:
                    torch.index_select(X, 0, rows.reshape(-1), out=H[0].view(-1, widths[0]))
                    torch.index_select(Y, 0, rows.reshape(-1), out=targets.view(-1, widths[-1]))
                for i in range(count):
                    added(bias[i], H[i], W[i], out=H[i + 1])
                    if i < count - 1:
                        H[i + 1].relu_()
                torch.sigmoid(H[-1], out=delta[-1])
                delta[-1].sub_(targets).mul_(job.rate / b)
                for i in reversed(range(count)):
                    error = delta[i + 1]
                    if i:
                        product(error, W[i].mT, out=delta[i])
                        delta[i].mul_(H[i] > 0)
                    step = W[i].addmm_ if one else W[i].baddbmm_
                    step(H[i].mT, error, alpha=-1)
                    bias[i].sub_(error.sum(dim=-2, keepdim=True))
            for x, y in ((X, Y), (X_v, Y_v)):
                right = 0
                for block in blocks(len(x)):
                    h = x[block] if one else x[block].expand(k, -1, -1)
                    for i in range(count):
                        h = added(bias[i], h, W[i])
                        if i < count - 1:
                            h.relu_()
                    t = y[block].expand_as(h)
                    torch.nn.functional.binary_cross_entropy_with_logits(
                        h, t, reduction="sum"
                    ).item()
                    right += (h.argmax(-1) == t.argmax(-1)).sum().item()
                accuracy = right / len(x) / k
    return accuracy


# --- JAX ---------------------------------------------------------------------------------------


def _jax_of(job: Job) -> Callable[[], float]:
    """Return the job as compiled by JAX: an epoch is a scan, several seeds are a vmap."""
    import jax
    import jax.numpy as jnp

    X, Y, X_v, Y_v = (jnp.asarray(each) for each in (job.X, job.Y, job.X_v, job.Y_v))

    def outputs(parameters: Any, x: Any) -> Any:
        for W, b in parameters[:-1]:
            x = jax.nn.relu(x @ W + b)
        W, b = parameters[-1]
        return x @ W + b

    def summed(H_bar: Any, y: Any) -> Any:
        return jnp.sum(jnp.maximum(H_bar, 0) - H_bar * y + jnp.log1p(jnp.exp(-jnp.abs(H_bar))))

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return summed(outputs(parameters, x), y) / len(x)

    def step(parameters: Any, rows: Any) -> tuple[Any, None]:
        slopes = jax.grad(loss)(parameters, X[rows], Y[rows])
        return jax.tree.map(lambda p, g: p - job.rate * g, parameters, slopes), None

    def scores(parameters: Any, x: Any, y: Any) -> Any:
        def score(total: Any, block: Any) -> tuple[Any, None]:
            H_bar = outputs(parameters, block[0])
            right = jnp.sum(H_bar.argmax(1) == block[1].argmax(1))
            return (total[0] + summed(H_bar, block[1]), total[1] + right), None

        rows = min(EVALUATION_ROWS, len(x))
        whole = len(x) // rows * rows
        cut = tuple(each[:whole].reshape(-1, rows, each.shape[1]) for each in (x, y))
        (cost, right), _ = jax.lax.scan(score, (0.0, 0), cut)
        return cost, right / whole

    def epoch(parameters: Any, batches: Any) -> tuple[Any, Any]:
        parameters, _ = jax.lax.scan(step, parameters, batches)
        return parameters, (scores(parameters, X, Y), scores(parameters, X_v, Y_v))

    one = len(job.seeds) == 1
    compiled = jax.jit(epoch if one else jax.vmap(epoch), donate_argnums=0)

    def first() -> Any:
        networks = [job.network(seed) for seed in job.seeds]
        layers = zip(*(network.layers for network in networks), strict=True)
        stacked = [
            Layer(np.stack([each.W.T for each in layer]), np.stack([each.b for each in layer]))
            for layer in layers
        ]
        return [
            (jnp.asarray(W[0] if one else W), jnp.asarray(b[0] if one else b)) for W, b in stacked
        ]

    def batches(number: int) -> Any:
        orders = [job.batches(seed, number) for seed in job.seeds]
        return jnp.asarray(orders[0] if one else np.stack(orders))

    compiled(first(), batches(1))[1][1][1].block_until_ready()  # compiles before timing

    def run() -> float:
        parameters, accuracy = first(), 0.0
        for number in range(1, job.epochs + 1):
            parameters, (_, (_, right)) = compiled(parameters, batches(number))
            accuracy = float(np.mean(right))
        return accuracy

    return run


# --- the process -------------------------------------------------------------------------------

# Functions of a job and a number of threads that return the task to be timed.
PEERS: dict[str, Callable[[Job, int], Callable[[], float]]] = {
    "ours": lambda job, threads: ours(job),
    "limit": lambda job, threads: lambda: limit(job),
    "limit of ours": lambda job, threads: limit_of_ours(job),
    "readable": lambda job, threads: lambda: readable(job),
    "sample by sample": lambda job, threads: lambda: sample_by_sample(job),
    "scikit-learn": lambda job, threads: _warm(job, scikit_learn),
    "torch eager": lambda job, threads: _warm(job, _torch_modules(job, threads=threads)),
    "torch fused": lambda job, threads: _warm(
        job, _torch_modules(job, threads=threads, fused=True)
    ),
    "torch compiled": lambda job, threads: _warm(
        job, _torch_modules(job, threads=threads, fused=True, compiled=True)
    ),
    "torch by hand": lambda job, threads: _warm(job, partial(_torch_by_hand, threads=threads)),
    "jax": lambda job, threads: _jax_of(job),
}


def _warm(job: Job, peer: Peer) -> Callable[[], float]:
    """Return the job by a peer that has finished its imports and compilation."""
    few = 20 * job.batch
    peer(replace(job, X=job.X[:few], Y=job.Y[:few], seeds=job.seeds[:1], epochs=1))
    return lambda: peer(job)


def main() -> None:
    """Prepare, wait for a line, train, print the seconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--cores", type=int, nargs="+", required=True)
    parser.add_argument("--threads", type=int, default=1, help="of products")
    parser.add_argument("--one-by-one", action="store_true", help="train seeds in turn")
    options = parser.parse_args()
    os.sched_setaffinity(0, options.cores)
    job, make = load(options.seeds, options.epochs), PEERS[options.peer]
    shares = [[seed] for seed in options.seeds] if options.one_by_one else [options.seeds]
    tasks = [make(replace(job, seeds=share), options.threads) for share in shares]
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    try:
        accuracy = [task() for task in tasks][-1]
        seconds = time.perf_counter() - start
    except Extrapolated as result:
        accuracy, seconds = float("nan"), float(result.args[0])
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}), flush=True)


if __name__ == "__main__":
    main()

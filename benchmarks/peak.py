"""Compare the speed of training with the peak of one core.

    python -m benchmarks.peak

prints the core's peak, measured by fused multiply-adds in registers; the share of the peak that the
matrix products of a whole epoch, evaluation included, reach; and the time of each kernel of a step.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.flops import training_flops
from benchmarks.peers import load
from pipeline.base.errors import one_line_errors
from pipeline.engine import kernels
from pipeline.engine.code import Code, compiled, machine
from pipeline.engine.descent import COMPILED, Examples, _parameters, _Step
from pipeline.engine.examples import ready
from pipeline.engine.program import laid_out

ROUNDS, FMAS, CHAINS = 5, 10_000_000, 12
WIDTH = machine().vector_bytes // 4


def registers(code: Code, count: Any) -> None:
    """Write: fused multiply-adds in independent chains, without memory access."""
    record = code.function.args[0]
    a = code.spread(code.load(code.at(record, 8), code.number))
    chains = code.loop(
        count, lambda _, *sums: [code.fma(a, a, s) for s in sums], [code.all(0)] * CHAINS
    )
    for place, total in enumerate(chains):
        code.store(total, code.at(record, 64 * (1 + place)))


def seconds(task: Callable[[], object]) -> float:
    """Return the median of several CPU times of this thread."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        task()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def peak() -> float:
    """Return this core's GFLOP/s in float32."""
    arguments = np.zeros(8 * (1 + CHAINS), np.int64)
    arguments[0] = FMAS
    address = compiled(registers, "i", np.dtype(np.float32))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
    took = seconds(lambda: call(arguments.ctypes.data))
    return 2 * FMAS * CHAINS * WIDTH / took / 1e9


def kernels_of_a_step(step: _Step, batches: list[np.ndarray]) -> None:
    """Print the median microseconds of each kernel of a step, run one by one."""
    calls, words = [], step.words[1:]
    while words:
        end = 2 + words[1]
        calls.append(np.array([1, *words[:end]], np.int64))
        words = words[end:]
    times: list[list[int]] = [[] for _ in calls]
    for batch in batches:
        step.index[:] = batch
        for call, taken in zip(calls, times, strict=True):
            began = time.perf_counter_ns()
            step.start(call.ctypes.data)
            taken.append(time.perf_counter_ns() - began)
    medians = [statistics.median(each) / 1000 for each in times]
    print("\n| kernel of a step | µs | share |\n|---|---|---|")
    for (write, arguments, options), took in zip(step.calls, medians, strict=True):
        name = options["formula"][0] if write is kernels.apply else write
        sizes = " x ".join(str(each) for each in arguments if isinstance(each, int))
        print(f"| {name.__name__} {sizes} | {took:.1f} | {took / sum(medians):.1%} |")
    print(f"| all | {sum(medians):.1f} | |")


def main() -> None:
    """Print the tables."""
    job = load([0], 1)
    training = job.config.training
    examples: Examples = ready(job.config, job.prepared).train
    network, batches = job.network(0), list(job.batches(0, 1))

    def epoch() -> None:
        COMPILED.epoch(network, None, examples, batches, training, 0.1)
        COMPILED.score(network, examples, training.cost)

    epoch()  # compiles
    took, limit = seconds(epoch), peak()
    sizes = [len(examples.inputs.frequent) + 2, *(len(layer.b) for layer in network.layers)]
    images = len(examples.labels)
    operations = training_flops(sizes, images, images, 1) / 1e9
    print("| peak, GFLOP/s | products, GFLOP an epoch | s an epoch | share of the peak |")
    print(f"|---|---|---|---|\n| {limit:.0f} | {operations:.1f} | {took:.3f} |", end=" ")
    print(f"{operations / limit / took:.0%} |")
    now, laid = _parameters(network.layers, examples.inputs), laid_out(examples.Y)
    examples = examples._replace(Y=laid)
    step = _Step(now, [], network.activations, examples, job.batch, training, 0.1)
    kernels_of_a_step(step, batches)


if __name__ == "__main__":
    with one_line_errors():
        main()

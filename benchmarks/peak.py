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

import numpy as np
from llvmlite import ir

from benchmarks.flops import training_flops
from benchmarks.peers import load
from pipeline.base.errors import one_line_errors
from pipeline.engine.code import POINTER, kernel, machine, writing
from pipeline.engine.descent import COMPILED, Examples, _Parameters, _Step
from pipeline.engine.examples import ready
from pipeline.engine.program import Program, _run, laid_out

ROUNDS, FMAS, CHAINS = 5, 10_000_000, 12
WIDTH = machine().vector_bytes // 4


def registers(module: ir.Module, dtype: np.dtype[np.float32]) -> None:
    """Write a kernel: fused multiply-adds in independent chains, without memory access."""
    with writing(module, "kernel", [POINTER], dtype) as code:
        (count,) = code.arguments(code.function.args[0], "i")
        a = code.spread(code.load(code.at(code.function.args[0], 8), code.number))
        chains = code.loop(
            count, lambda _, *sums: [code.fma(a, a, s) for s in sums], [code.all(0)] * CHAINS
        )
        for place, total in enumerate(chains):
            code.store(total, code.at(code.function.args[0], 64 * (1 + place)))


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
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(kernel(registers, np.dtype(np.float32)))
    took = seconds(lambda: call(arguments.ctypes.data))
    return 2 * FMAS * CHAINS * WIDTH / took / 1e9


def kernels_of_a_step(step: _Step, batches: list[np.ndarray]) -> None:
    """Print the median microseconds of each kernel of a step, run one by one."""
    program: Program = step._program
    words, starts = np.array(program._words, np.int64), [0]
    while (end := starts[-1] + 2 + int(words[starts[-1] + 1])) < len(words):
        starts.append(end)
    times: list[list[int]] = [[] for _ in starts]
    for batch in batches:
        step._forward.index[:] = batch
        for number, start in enumerate(starts):
            began = time.perf_counter_ns()
            _run()(words[start:].ctypes.data, 1)
            times[number].append(time.perf_counter_ns() - began)
    medians = [statistics.median(each) / 1000 for each in times]
    print("\n| kernel of a step | µs | share |\n|---|---|---|")
    for name, took in zip(program.names, medians, strict=True):
        print(f"| {name} | {took:.1f} | {took / sum(medians):.1%} |")
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
    now = _Parameters(network.layers, examples.inputs)
    step = _Step(
        *(now, None, network.activations, examples, laid_out(examples.Y), job.batch, training),
    )
    kernels_of_a_step(step, batches)


if __name__ == "__main__":
    with one_line_errors():
        main()

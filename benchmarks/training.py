"""Compare the speed of training with other libraries: `make bench`.

    python -m benchmarks.training --rounds 3

Each library does the work of `benchmarks.peers` in separate processes. They alternate, so that a
noisy machine disturbs all equally. Prints medians, and ratios to ours, as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass

from pipeline.base.errors import one_line_errors
from pipeline.base.numerics import THREADS
from pipeline.base.paths import find_root
from pipeline.engine.code import CPU_VARIABLE
from pipeline.records.provenance import provenance

CORES = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Way:
    """A way to do the work.

    Attributes:
        name: for the table.
        peer: see `benchmarks.peers`.
        processes: that share the seeds. As in a sweep, they also share all cores, one per thread,
            and none is bound to a core.
        threads: per process. Ours computes products in one thread; the other trains the next
            steps during evaluation.
        one_by_one: whether a peer that could train its seeds at once trains them in turn.
        cpu: that ours is compiled for; None for this machine's.
    """

    name: str
    peer: str
    processes: int = 1
    threads: int = 1
    one_by_one: bool = False
    cpu: str | None = None


ONE_SEED = (
    Way("matrix products alone, all pixels", "limit"),
    Way("matrix products alone, as ours", "limit of ours"),
    Way("ours", "ours"),
    Way("ours, without AVX-512", "ours", cpu="x86-64-v3"),
    Way("the same network, readable version", "readable"),
    Way("JAX, jit and scan", "jax"),
    Way("scikit-learn, MLPClassifier", "scikit-learn"),
    Way("PyTorch, nn and SGD", "torch eager"),
    Way("PyTorch, nn and fused SGD", "torch fused"),
    Way("PyTorch, compiled", "torch compiled"),
    Way("PyTorch, by hand", "torch by hand"),
    Way("NumPy sample by sample, float64", "sample by sample"),
)
ONE_SEED_TWO_THREADS = (
    Way("ours, 2 cores", "ours", threads=2),
    Way("JAX, jit and scan, 2 threads", "jax", threads=2),
    Way("PyTorch, nn and fused SGD, 2 threads", "torch fused", threads=2),
    Way("PyTorch, by hand, 2 threads", "torch by hand", threads=2),
)
SEVERAL_SEEDS = (
    Way("matrix products alone, as ours, 2 processes", "limit of ours", processes=2),
    Way("ours, 2 processes", "ours", processes=2),
    Way("PyTorch, compiled, 2 processes", "torch compiled", processes=2),
    Way("PyTorch by hand, 2 processes", "torch by hand", processes=2, one_by_one=True),
    Way("PyTorch by hand, all seeds at once (bmm), 2 threads", "torch by hand", threads=2),
    Way("PyTorch by hand, half of the seeds at once (bmm), 2 processes", "torch by hand", 2),
    Way("JAX, 2 processes", "jax", processes=2, one_by_one=True),
    Way("JAX, vmap over seeds, 2 threads", "jax", threads=2),
)


def measure(way: Way, seeds: list[int], epochs: int) -> tuple[float, float]:
    """Do the work one way; return the seconds of the slowest process, and an accuracy."""
    processes = []
    for number in range(way.processes):
        share = seeds[number :: way.processes]
        cores = CORES[: way.processes * way.threads]
        words = ["--epochs", str(epochs), "--threads", str(way.threads)]
        words += ["--cores", *map(str, cores), "--seeds"]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.peers", way.peer, *words, *map(str, share)]
                + (["--one-by-one"] if way.one_by_one else []),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=_environment(way),
            )
        )
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{way.name}: could not start")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.communicate()[0]) for process in processes]
    return max(result["seconds"] for result in results), results[-1]["accuracy"]


def _environment(way: Way) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {*THREADS, CPU_VARIABLE}}
    if way.cpu is not None:
        kept[CPU_VARIABLE] = way.cpu
    path = os.pathsep.join([str(find_root()), os.environ.get("PYTHONPATH", "")])
    return {**kept, **THREADS, "PYTHONPATH": path}


def table(ways: tuple[Way, ...], seeds: list[int], epochs: int, rounds: int) -> None:
    """Measure all ways alternately; print medians, fastest times, and ratios to our median."""
    measured: dict[Way, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            measured[way].append(measure(way, seeds, epochs))
            seconds, accuracy = measured[way][-1]
            line = f"round {number + 1}: {way.name}: {seconds:.2f} s, {accuracy:.2%}"
            print(line, file=sys.stderr, flush=True)
    seconds_of = {way: [seconds for seconds, _ in values] for way, values in measured.items()}
    medians = {way: statistics.median(values) for way, values in seconds_of.items()}
    base = next(medians[way] for way in ways if way.peer == "ours")
    what = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
    print(f"\n| {what}, {epochs} epochs | seconds | fastest | ours / theirs | validation |")
    print("|---|---|---|---|---|")
    for way in ways:
        accuracy = measured[way][-1][1]
        text = "–" if accuracy != accuracy else f"{accuracy:.1%}"
        times = f"{medians[way]:.2f} | {min(seconds_of[way]):.2f} | {base / medians[way]:.2f}"
        print(f"| {way.name} | {times} | {text} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10, help="for one seed; 0 skips it")
    parser.add_argument("--several", type=int, nargs="*", default=[5, 20], help="numbers of seeds")
    parser.add_argument("--several-epochs", type=int, default=2)
    parser.add_argument("--peers", nargs="*", help="only these; default: all")
    options = parser.parse_args()

    def chosen(ways: tuple[Way, ...]) -> tuple[Way, ...]:
        return tuple(way for way in ways if options.peers is None or way.peer in options.peers)

    print(f"{len(CORES)} cores of {provenance(find_root())['cpu']}")
    two = ONE_SEED_TWO_THREADS if len(CORES) > 1 else ()
    if options.epochs:
        table(chosen(ONE_SEED + two), [0], options.epochs, options.rounds)
    for count in options.several:
        table(chosen(SEVERAL_SEEDS), list(range(count)), options.several_epochs, options.rounds)


if __name__ == "__main__":
    with one_line_errors():
        main()

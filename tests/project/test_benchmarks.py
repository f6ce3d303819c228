"""The benchmarks run on a tiny size; no test checks the times."""

import importlib.util
from pathlib import Path

import pytest

from benchmarks.flops import training_flops
from pipeline.base.paths import find_root
from tests.conftest import Checkout

TINY = ("network.hidden=[8,8]", "training.epochs=1")


@pytest.mark.slow
def test_the_benchmark_of_sweeps_prints_its_table(checkout: Checkout) -> None:
    words = ("benchmarks.sweeps", "--seeds=2", "--rounds=1", *TINY)
    told = checkout.run(*words, env={"PYTHONPATH": str(find_root())}).stdout
    assert told.startswith("| workers | seconds, median | efficiency |")
    assert "\n| 1 | " in told


@pytest.mark.slow
def test_the_benchmark_of_tracking_prints_its_table(checkout: Checkout) -> None:
    words = ("benchmarks.tracking", "--rounds=1")
    told = checkout.run(*words, env={"PYTHONPATH": str(find_root())}).stdout
    assert told.startswith("| cold `dvc repro` | seconds, median |")
    assert "added by the mirror" in told


@pytest.mark.slow
def test_the_benchmark_of_training_prints_its_tables(checkout: Checkout) -> None:
    """On embedded digits; ours and what needs no package beyond the locked ones."""
    words = ("benchmarks.training", "--rounds=1", "--epochs=2", "--several=2")
    peers = ("ours", "limit", "readable", "scikit-learn", "sample by sample")
    told = checkout.run(
        *words, "--several-epochs=1", "--peers", *peers, env={"PYTHONPATH": str(find_root())}
    ).stdout
    assert "| one seed, 2 epochs | seconds | fastest | ours / theirs | validation |" in told
    assert "\n| ours | " in told
    assert "\n| scikit-learn, MLPClassifier | " in told
    assert "\n| ours, 2 processes | " in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "peers"),
    [("torch", ("torch eager", "torch fused", "torch by hand")), ("jax", ("jax",))],
)
def test_other_libraries_learn_as_well_as_ours(
    package: str, peers: tuple[str, ...], checkout: Checkout
) -> None:
    """The same first weights, batches and steps: nearly the same accuracy after two epochs."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed; `make bench` adds it")
    # In whole batches, which is all that rivals take.
    checkout.declare(split={"train": 1200})
    words = ("benchmarks.training", "--rounds=1", "--epochs=2", "--several=2")
    told = checkout.run(
        *words, "--several-epochs=2", "--peers", "ours", *peers,
        env={"PYTHONPATH": str(find_root())},
    ).stdout  # fmt: skip
    one, several = told.split("| 2 seeds, 2 epochs")
    found = [
        float(line.split("|")[-2].strip().rstrip("%"))
        for line in one.splitlines()
        if line.endswith("% |")
    ]
    assert len(found) > len(peers)
    # Of 100 validation images; sums in another order may change an answer or two.
    assert max(found) - min(found) <= 2
    assert several.count("% |") >= 3


@pytest.mark.slow
def test_the_benchmark_of_the_peak_prints_its_tables(checkout: Checkout) -> None:
    told = checkout.run("benchmarks.peak", env={"PYTHONPATH": str(find_root())}).stdout
    assert "| share of the peak |\n" in told
    assert told.count("\n| product ") >= 9


@pytest.mark.slow
def test_the_benchmark_of_growth_prints_and_draws(checkout: Checkout, tmp_path: Path) -> None:
    sizes = ("--hidden", "8", "16", "--batches", "10", "20", "--seeds", "1", "2")
    words = ("benchmarks.growth", "--figure", str(tmp_path / "growth.png"), *sizes)
    told = checkout.run(*words, env={"PYTHONPATH": str(find_root())}).stdout
    assert told.count("\n|---|") == 3
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_benchmark_of_the_whole_prints_its_table(checkout: Checkout) -> None:
    told = checkout.run("benchmarks.whole", env={"PYTHONPATH": str(find_root())}).stdout
    assert "× training |" in told
    assert "× status |" in told
    assert "\n| `track` | " in told


def test_the_arithmetic_of_a_training_worked_by_hand() -> None:
    """2-3-1: forward 2·2·3 + 2·3·1 = 18; weights again 18; inputs of the second layer 6."""
    assert training_flops([2, 3, 1], train=10, evaluated=4, epochs=2) == 2 * (10 * 42 + 4 * 18)

"""The benchmarks run on a tiny size; no test checks the times."""

import importlib.util
from pathlib import Path

import pytest

from benchmarks.flops import training_flops
from pipeline.base.paths import find_root
from tests.conftest import Checkout

TINY = ("network.hidden=[8,8]", "training.epochs=1")


def printed(checkout: Checkout, name: str, *words: str) -> str:
    """Return what a benchmark prints in the checkout, which has no benchmarks of its own."""
    root = {"PYTHONPATH": str(find_root())}
    return checkout.run(f"benchmarks.{name}", *words, env=root).stdout


@pytest.mark.slow
def test_the_benchmark_of_sweeps_prints_its_table(checkout: Checkout) -> None:
    told = printed(checkout, "sweeps", "--seeds=2", "--rounds=1", *TINY)
    assert told.startswith("| workers | seconds, median | efficiency |")
    assert "\n| 1 | " in told


@pytest.mark.slow
def test_the_benchmark_of_tracking_prints_its_table(checkout: Checkout) -> None:
    told = printed(checkout, "tracking", "--rounds=1")
    assert told.startswith("| cold `dvc repro` | seconds, median |")
    assert "added by the mirror" in told


@pytest.mark.slow
def test_the_benchmark_of_training_prints_its_tables(checkout: Checkout) -> None:
    """On embedded digits; ours and what needs no package beyond the locked ones."""
    words = ("--rounds=1", "--epochs=2", "--several=2", "--several-epochs=1")
    peers = ("ours", "limit", "readable", "scikit-learn", "sample by sample")
    told = printed(checkout, "training", *words, "--peers", *peers)
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
    words = ("--rounds=1", "--epochs=2", "--several=2", "--several-epochs=2")
    told = printed(checkout, "training", *words, "--peers", "ours", *peers)
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
    told = printed(checkout, "peak")
    assert "| share of the peak |\n" in told
    assert told.count("\n| product ") >= 9


@pytest.mark.slow
def test_the_benchmark_of_growth_prints_and_draws(checkout: Checkout, tmp_path: Path) -> None:
    sizes = ("--hidden", "8", "16", "--batches", "10", "20", "--seeds", "1", "2")
    told = printed(checkout, "growth", "--figure", str(tmp_path / "growth.png"), *sizes)
    assert told.count("\n|---|") == 3
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_benchmark_of_the_whole_prints_its_table(checkout: Checkout) -> None:
    told = printed(checkout, "whole")
    assert "× training |" in told
    assert "× status |" in told
    assert "\n| `track` | " in told


def test_the_arithmetic_of_a_training_worked_by_hand() -> None:
    """2-3-1: forward 2·2·3 + 2·3·1 = 18; weights again 18; inputs of the second layer 6."""
    assert training_flops([2, 3, 1], train=10, evaluated=4, epochs=2) == 2 * (10 * 42 + 4 * 18)

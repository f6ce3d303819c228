"""The benchmarks run, on a tiny size; what they measure is nobody's test."""

import pytest

from pipeline.paths import find_root
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

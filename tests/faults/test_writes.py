"""A write that fails at any of its steps loses nothing: a plain rerun gives the same files."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.config import Config, compose
from pipeline.base.files import UNFINISHED
from pipeline.base.paths import Paths
from pipeline.records.record import copy_record
from pipeline.stages.encode import encode
from pipeline.stages.evaluate import evaluate
from pipeline.stages.preprocess import preprocess
from pipeline.stages.report import report
from pipeline.stages.split import split
from pipeline.sweep.job import train_seed
from tests.conftest import Checkout, hashes, run_python
from tests.faults.harness import faults
from tests.sweep.runs import records

# Beside what a record says of when and where, which no two runs share; and test results, which a
# record takes from the results when a stage next looks at it.
VOLATILE = {"origin.json", "test.json", ".lock"}


@pytest.fixture
def config(checkout: Checkout) -> Config:
    composed = compose(checkout.paths, ["training.epochs=2", "seeds=[0]"])
    return dataclasses.replace(composed, seed=0)


@pytest.fixture
def fresh(checkout: Checkout, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes folders like the checkout, without its code."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        ignored = shutil.ignore_patterns("pipeline", "conf", ".dvc")
        shutil.copytree(checkout.paths.root, folder, ignore=ignored)
        return folder

    return make


def look(folder: Path) -> dict[str, str]:
    """Return the hash of everything that lies there; nothing unfinished may."""
    assert list(folder.rglob(UNFINISHED)) == []
    return hashes(folder, but=VOLATILE)


Stage = Callable[[Config, Paths], object]


@pytest.mark.parametrize("stage", [split, preprocess, encode])
def test_a_stage(stage: Stage, config: Config, fresh: Callable[[str], Path]) -> None:
    assert faults(lambda folder: stage(config, Paths(folder)), fresh, look) >= 3


def test_training(config: Config, fresh: Callable[[str], Path]) -> None:
    """Two epochs of one seed: a failed run is recorded as failed, and trained on by a rerun."""
    assert faults(lambda folder: train_seed(config, Paths(folder), {}), fresh, look) >= 30


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("stage", "fewest"), [(evaluate, 15), (report, 30)])
def test_a_stage_behind_training(
    stage: Stage, fewest: int, config: Config, checkout: Checkout, fresh: Callable[[str], Path]
) -> None:
    paths = checkout.paths
    for earlier in (split, preprocess, encode):
        earlier(config, paths)
    copy_record(train_seed(config, paths, {}), paths.run(0))
    if stage is report:
        evaluate(config, paths)
    assert faults(lambda folder: stage(config, Paths(folder)), fresh, look) >= fewest


@pytest.mark.slow
def test_a_disk_that_takes_no_larger_file(checkout: Checkout) -> None:
    """A real limit of the kernel's, below the size of a checkpoint; both seeds are tried."""
    words = ["tracking.live=false", "hydra/launcher=basic", "training.epochs=2", "seed=0,1"]
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
        "sys.argv[0] = 'train'; from pipeline.stages import train; train.main()"
    )
    done = run_python("-c", limited, *words, cwd=checkout.paths.root, check=False)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert records(checkout) == {}
    failures = list(checkout.paths.records.glob("*/failure.json"))
    assert ["File too large" in path.read_text() for path in failures] == [True, True]
    assert "save_epoch" in (failures[0].parent / "origin.json").read_text()
    checkout.train("training.epochs=2", "seed=0,1")
    assert len(records(checkout)) == 2

"""Killed at any moment, a sweep ends in the undisturbed bytes and leaves no process behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.base.files import UNFINISHED
from tests.conftest import Checkout, copy_of
from tests.sweep.runs import (
    ENDLESS,
    IN_PROCESS,
    records,
    start,
    wait_for_records,
    wait_until_nobody_trains,
)

# Long enough to be killed four times in the middle: some seconds of training.
LONG = ("training.epochs=600", "seed=0,1,2")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# 30 kills altogether.
KILLS = {IN_PROCESS: 2, "hydra.launcher.n_jobs=2": 4, "hydra.launcher.n_jobs=3": 4}


@pytest.fixture(scope="module")
def uninterrupted(
    prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Return the records of `LONG`, trained without an interruption."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("uninterrupted"))
    checkout.train(*LONG)
    return records(checkout)


def progress(checkout: Checkout) -> set[tuple[str, int]]:
    """Return which epochs were saved: each replaces the file of the one before."""
    saved = set()
    for path in checkout.paths.records.glob("*/progress.npz"):
        try:
            saved.add((path.parent.name, path.stat().st_mtime_ns))
        except FileNotFoundError:  # complete by now
            continue
    return saved


def wait_until_it_trains(checkout: Checkout, before: set[tuple[str, int]]) -> None:
    """Wait until an epoch was saved that was not there `before`."""
    ends = time.monotonic() + 60
    while progress(checkout) <= before:
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("how", SIGNALS, ids=lambda how: str(how.name))
@pytest.mark.parametrize("launcher", KILLS)
def test_a_sweep_killed_again_and_again_in_training_ends_in_the_same_bytes(
    launcher: str,
    how: signal.Signals,
    checkout: Checkout,
    uninterrupted: dict[str, str],
) -> None:
    moments = random.Random(f"{launcher} {how}")
    for _ in range(KILLS[launcher]):
        before = progress(checkout)
        sweep = start(checkout, launcher, *LONG)
        wait_until_it_trains(checkout, before)
        time.sleep(moments.uniform(0, 0.3))
        assert sweep.poll() is None, "it was through before it could be killed"
        assert len(records(checkout)) < len(uninterrupted), "it had only its table left to print"
        if how is signal.SIGINT:  # as a terminal sends it: to the whole group
            os.killpg(sweep.pid, how)
        else:
            sweep.send_signal(how)
        sweep.communicate(timeout=60)
        wait_until_nobody_trains(checkout)
    checkout.train(launcher, *LONG)
    assert records(checkout) == uninterrupted
    assert list(checkout.paths.records.glob("*/progress.npz")) == []
    assert list(checkout.paths.records.rglob(UNFINISHED)) == []


@pytest.mark.slow
def test_workers_die_with_their_launcher_and_go_on_from_their_last_epoch(
    checkout: Checkout,
) -> None:
    sweep = start(checkout, ENDLESS, "seed=0,1")
    wait_for_records(checkout, "*/progress.npz")
    sweep.kill()
    sweep.communicate(timeout=30)
    wait_until_nobody_trains(checkout)
    told = checkout.train(ENDLESS, "seed=0,1", "dry_run=true").stdout
    assert "go on after epoch" in told


@pytest.mark.slow
def test_a_second_sweep_in_the_same_place_refuses_and_names_the_first(
    checkout: Checkout,
) -> None:
    first = start(checkout, ENDLESS, "seed=0")
    wait_for_records(checkout, "*/description.json")
    second = checkout.train("training.epochs=1", "seed=5", check=False)
    first.kill()
    first.communicate(timeout=30)
    assert second.returncode == 2
    assert f"is in use by process {first.pid} (a sweep)" in second.stderr
    wait_until_nobody_trains(checkout)


@pytest.mark.slow
def test_a_stage_ends_with_the_dvc_that_ran_it(checkout: Checkout) -> None:
    checkout.declare(training={"epochs": 10_000})
    dvc = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "train"],
        cwd=checkout.paths.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for_records(checkout, "*/progress.npz")
    assert dvc.poll() is None
    dvc.kill()
    dvc.wait(30)
    wait_until_nobody_trains(checkout)
    assert records(checkout) == {}, "it was not ended, but through"


def test_interrupted_by_ctrl_c_says_so(checkout: Checkout) -> None:
    sweep = start(checkout, ENDLESS, "seed=0,1")
    wait_for_records(checkout, "*/progress.npz")
    os.killpg(sweep.pid, signal.SIGINT)
    _, errors = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, errors
    wait_until_nobody_trains(checkout)

"""Killed at any moment, a sweep ends in the undisturbed bytes and leaves no process behind."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.base.files import UNFINISHED
from tests.conftest import Checkout
from tests.sweep.test_train import records, undisturbed  # noqa: F401  # a fixture

# Long enough to be hit in the middle: some 400 steps an epoch.
LONG = ("training.epochs=2", "seed=0,1,2")


def start(checkout: Checkout, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.stages.train", "tracking.live=false", *words],
        cwd=checkout.paths.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_of(checkout: Checkout) -> list[psutil.Process]:
    """Return every process that works in the checkout."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(checkout.paths.root) and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until_nobody_trains(checkout: Checkout, *, but: str = "-", seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while left := [process for process in processes_of(checkout) if but not in process.name()]:
        assert time.monotonic() < ends, left
        time.sleep(0.1)


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# 30 kills altogether.
KILLS = {"hydra/launcher=basic": 2, "hydra.launcher.n_jobs=2": 4, "hydra.launcher.n_jobs=3": 4}


@pytest.mark.slow
@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.parametrize("launcher", KILLS)
def test_a_sweep_killed_again_and_again_ends_in_the_same_bytes(
    launcher: str,
    how: signal.Signals,
    checkout: Checkout,
    undisturbed: dict[str, str],  # noqa: F811
) -> None:
    moments = random.Random(f"{launcher} {how}")
    for _ in range(KILLS[launcher]):
        sweep = start(checkout, launcher, *LONG)
        time.sleep(moments.uniform(0.5, 5.0))
        if how is signal.SIGINT:  # as a terminal sends it: to the whole group
            os.killpg(sweep.pid, how)
        else:
            sweep.send_signal(how)
        sweep.communicate(timeout=60)
        wait_until_nobody_trains(checkout)
    checkout.train(launcher, *LONG)
    assert records(checkout) == undisturbed
    assert list(checkout.paths.records.glob("*/progress.npz")) == []
    assert list(checkout.paths.records.rglob(UNFINISHED)) == []


def wait_for_records(checkout: Checkout, pattern: str) -> None:
    ends = time.monotonic() + 60
    while not list(checkout.paths.records.glob(pattern)):
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.slow
def test_workers_die_with_their_launcher_and_go_on_from_their_last_epoch(
    checkout: Checkout,
) -> None:
    sweep = start(checkout, "training.epochs=400", "seed=0,1")
    wait_for_records(checkout, "*/progress.npz")
    sweep.kill()
    sweep.communicate(timeout=30)
    wait_until_nobody_trains(checkout)
    told = checkout.train("training.epochs=400", "seed=0,1", "dry_run=true").stdout
    assert "go on after epoch" in told


@pytest.mark.slow
def test_a_second_sweep_in_the_same_place_refuses_and_names_the_first(
    checkout: Checkout,
) -> None:
    first = start(checkout, "training.epochs=400", "seed=0")
    wait_for_records(checkout, "*/description.json")
    second = checkout.train("training.epochs=1", "seed=5", check=False)
    first.kill()
    first.communicate(timeout=30)
    assert second.returncode == 2
    assert f"is in use by process {first.pid} (a sweep)" in second.stderr
    wait_until_nobody_trains(checkout)


@pytest.mark.slow
def test_a_stage_ends_with_the_dvc_that_ran_it(checkout: Checkout) -> None:
    dvc = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "train"],
        cwd=checkout.paths.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for_records(checkout, "*/description.json")
    dvc.kill()
    dvc.wait(30)
    wait_until_nobody_trains(checkout)


def test_interrupted_by_ctrl_c_says_so(checkout: Checkout) -> None:
    sweep = start(checkout, "training.epochs=400", "seed=0,1")
    wait_for_records(checkout, "*/progress.npz")
    os.killpg(sweep.pid, signal.SIGINT)
    _, errors = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, errors
    wait_until_nobody_trains(checkout)

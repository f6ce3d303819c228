"""Sweeps in the background, and the records that they leave."""

import subprocess
import sys
import time

import psutil

from pipeline.base.files import sha256
from tests.conftest import Checkout

SHORT = ("training.epochs=2", "seed=0,1,2")
ENDLESS = "training.epochs=10000"  # until it is killed
# Starting workers takes as long as such a training.
IN_PROCESS = "hydra/launcher=basic"


def records(checkout: Checkout) -> dict[str, str]:
    """Return the hash of every complete record's manifest, by identity."""
    found = checkout.paths.records.glob("*/manifest.json")
    return {path.parent.name: sha256(path.read_bytes()) for path in found}


def start(checkout: Checkout, *words: str, live: bool = False) -> subprocess.Popen[str]:
    """Start a sweep in a process group of its own; its errors can be read."""
    tracking = f"tracking.live={str(live).lower()}"
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.stages.train", tracking, *words],
        cwd=checkout.paths.root,
        stdout=subprocess.DEVNULL,
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


def wait_for_records(checkout: Checkout, pattern: str) -> None:
    ends = time.monotonic() + 60
    while not list(checkout.paths.records.glob(pattern)):
        assert time.monotonic() < ends
        time.sleep(0.02)

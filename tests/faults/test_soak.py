"""200 small seeds, and a kill every few seconds until they are through."""

import random
import signal
import subprocess
import sys

import pytest

from pipeline.config import compose
from pipeline.files import UNFINISHED
from pipeline.tracking.sync import sync
from tests.conftest import Checkout
from tests.sweep.test_faults import processes_of, wait_until_nobody_trains
from tests.sweep.test_train import records
from tests.tracking.stores import contents

SEEDS = 200
WORDS = ("network.hidden=[16,16]", "training.epochs=3", f"seed=range({SEEDS})")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_hundred_seeds_killed_every_few_seconds(make_checkout: object) -> None:
    assert callable(make_checkout)
    undisturbed: Checkout = make_checkout("undisturbed")
    undisturbed.train(*WORDS, "hydra.launcher.n_jobs=2")
    expected = records(undisturbed)
    assert len(expected) == SEEDS

    checkout: Checkout = make_checkout("soak")
    moments, kills = random.Random(0), 0
    while True:
        sweep = subprocess.Popen(
            [sys.executable, "-m", "pipeline.stages.train", "tracking.live=true", *WORDS],
            cwd=checkout.paths.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            assert sweep.wait(moments.uniform(4, 10)) == 0
            break
        except subprocess.TimeoutExpired:
            sweep.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM]))
            sweep.wait(60)
            wait_until_nobody_trains(checkout, seconds=120)
            kills += 1
    assert kills >= 3
    wait_until_nobody_trains(checkout, seconds=120)
    assert processes_of(checkout) == []
    assert records(checkout) == expected
    assert list(checkout.paths.root.rglob(UNFINISHED)) == []
    assert list(checkout.paths.records.glob("*/checkpoint-*")) == []

    sync(compose(checkout.paths), checkout.paths)
    found = contents(checkout.paths)
    children = [run for run in found.values() if run["parent"]]
    assert sorted(int(run["tags"]["seed"]) for run in children) == list(range(SEEDS))
    assert {run["status"] for run in found.values()} == {"FINISHED"}

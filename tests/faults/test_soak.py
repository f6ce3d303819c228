"""200 small seeds, killed in the middle again and again until they are through."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from pipeline.base.config import compose
from pipeline.base.files import UNFINISHED
from pipeline.tracking.sync import sync
from tests.conftest import Checkout
from tests.sweep.runs import processes_of, records, start, wait_until_nobody_trains
from tests.tracking.stores import contents

SEEDS = 200
KILLS = 5
WORDS = ("network.hidden=[16,16]", "training.epochs=10", f"seed=range({SEEDS})")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_hundred_seeds_killed_again_and_again(make_checkout: Callable[[str], Checkout]) -> None:
    undisturbed = make_checkout("undisturbed")
    undisturbed.train(*WORDS, "hydra.launcher.n_jobs=2")
    expected = records(undisturbed)
    assert len(expected) == SEEDS

    checkout = make_checkout("soak")
    moments = random.Random(0)
    for _ in range(KILLS):
        before = len(records(checkout))
        sweep = start(checkout, *WORDS, live=True)
        # It passes over what is complete first; then it trains on.
        while len(records(checkout)) == before:
            assert sweep.poll() is None
            time.sleep(0.2)
        time.sleep(moments.uniform(1, 5))
        assert sweep.poll() is None, "it was through before it could be killed"
        sweep.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM]))
        sweep.communicate(timeout=120)
        wait_until_nobody_trains(checkout, seconds=120)
    last = start(checkout, *WORDS, live=True)
    _, errors = last.communicate(timeout=600)
    assert last.returncode == 0, errors
    wait_until_nobody_trains(checkout, seconds=120)
    assert processes_of(checkout) == []
    assert records(checkout) == expected
    assert list(checkout.paths.root.rglob(UNFINISHED)) == []
    assert list(checkout.paths.records.glob("*/progress.npz")) == []

    sync(compose(checkout.paths), checkout.paths)
    found = contents(checkout.paths)
    children = [run for run in found.values() if run["parent"]]
    assert sorted(int(run["tags"]["seed"]) for run in children) == list(range(SEEDS))
    assert {run["status"] for run in found.values()} == {"FINISHED"}

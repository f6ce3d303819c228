"""A sweep's curves grow in the store while it trains; no fault of the store stops the training."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.base.config import compose
from pipeline.tracking.live import mirrored
from pipeline.tracking.store import connect
from pipeline.tracking.sync import sync
from tests.conftest import Checkout
from tests.sweep.runs import ENDLESS, records, start, wait_for_records, wait_until_nobody_trains
from tests.tracking.stores import contents, end, server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LONG = (ENDLESS, "seed=0,1")


@contextlib.contextmanager
def sweeping(checkout: Checkout, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a sweep with its live mirror, in the background."""
    sweep = start(checkout, *words, live=True)
    try:
        yield sweep
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(sweep.pid, signal.SIGKILL)
        sweep.communicate(timeout=200)
        wait_until_nobody_trains(checkout)


def eventually(found: Callable[[], Any]) -> Any:
    ends = time.monotonic() + 200
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < ends
        time.sleep(1)  # a look locks the store


def epochs_in_store(checkout: Checkout) -> dict[str, int]:
    """Return how many epochs of each seed are in the store."""
    client = connect(None, checkout.paths).client
    experiments = [e.experiment_id for e in client.search_experiments()]
    return {
        str(run.info.run_name): len(
            client.get_metric_history(run.info.run_id, "validation/accuracy")
        )
        for run in client.search_runs(experiments)
        if "mlflow.parentRunId" in run.data.tags
    }


@pytest.mark.slow
def test_curves_grow_while_seeds_train_and_a_killed_seed_is_killed_in_the_store(
    checkout: Checkout, finished: Checkout
) -> None:
    shutil.copyfile(finished.paths.store, checkout.paths.store)
    with sweeping(checkout, *LONG) as sweep:
        first = eventually(lambda: epochs_in_store(checkout))
        eventually(lambda: epochs_in_store(checkout).get("seed 0", 0) > first.get("seed 0", 0))
        assert sweep.poll() is None
        statuses = {run["name"]: run["status"] for run in contents(checkout.paths).values()}
        assert statuses["seed 0"] == "RUNNING"
        sweep.kill()
        sweep.communicate(timeout=200)  # until the mirror's last pass has ended
        wait_until_nobody_trains(checkout)
    assert records(checkout) == {}
    sync(compose(checkout.paths), checkout.paths)
    killed = [run for run in contents(checkout.paths).values() if run["parent"]]
    assert {run["status"] for run in killed} == {"KILLED"}
    notes = [run["tags"]["mlflow.note.content"] for run in killed]
    assert all("its process ended after epoch" in note for note in notes)


@pytest.mark.slow
def test_a_seed_that_goes_on_after_it_was_killed_is_one_run(checkout: Checkout) -> None:
    words = ("training.epochs=60", "seed=0")
    with sweeping(checkout, *words):
        wait_for_records(checkout, "*/progress.npz")
    sync(compose(checkout.paths), checkout.paths)
    before = contents(checkout.paths)
    checkout.train(*words)
    sync(compose(checkout.paths), checkout.paths)
    after = contents(checkout.paths)
    assert before.keys() == after.keys()
    (seed,) = (run for run in after.values() if run["parent"])
    assert seed["status"] == "FINISHED"
    assert "its process ended" not in seed["tags"]["mlflow.note.content"]
    losses = [step for key, step, _, _ in seed["points"] if key == "validation/loss"]
    assert losses == list(range(1, 61))


@pytest.mark.slow
def test_training_continues_without_its_server(checkout: Checkout, free_port: int) -> None:
    uri = f"http://127.0.0.1:{free_port}"
    with sweeping(checkout, *LONG, f"tracking.uri={uri}") as sweep:
        assert sweep.stderr is not None
        told = sweep.stderr.readline()
        # While it trains, not at its end.
        assert sweep.poll() is None
    assert told.startswith(f"warning: nothing is written to {uri} (")
    assert told.endswith("run `pipeline track` later; training continues\n")


@pytest.mark.slow
def test_a_server_that_dies_is_reported_and_filled_later(
    checkout: Checkout, free_port: int
) -> None:
    uri = f"tracking.uri=http://127.0.0.1:{free_port}"
    words = ("training.epochs=600", "seed=0,1", uri)
    with server(checkout.paths, free_port) as first, sweeping(checkout, *words) as sweep:
        client = connect(f"http://127.0.0.1:{free_port}", checkout.paths).client
        eventually(lambda: client.get_experiment_by_name("digits-demo"))
        end(first)
        assert sweep.stderr is not None
        told = sweep.stderr.readline()
        assert sweep.poll() is None
        assert told.startswith("warning: nothing is written to")
        sweep.communicate(timeout=200)
        assert sweep.returncode == 0
    assert len(records(checkout)) == 2
    with server(checkout.paths, free_port):
        checkout.run("pipeline.stages.track", uri)
        found = contents(checkout.paths, f"http://127.0.0.1:{free_port}")
    seeds = [run for run in found.values() if run["parent"]]
    assert [run["status"] for run in seeds] == ["FINISHED"] * 2
    for run in seeds:
        steps = [step for key, step, _, _ in run["points"] if key == "train/loss"]
        assert steps == list(range(1, 601))


def test_a_mirror_that_cannot_start_leaves_ctrl_c_as_it_was(checkout: Checkout) -> None:
    before = signal.getsignal(signal.SIGINT)
    cannot_be_sent: Any = (number for number in range(0))
    with pytest.raises(TypeError, match="pickle"), mirrored(cannot_be_sent, checkout.paths):
        pass
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(4))
def test_eight_seeds_in_four_workers_on_a_fresh_store_lose_nothing(
    attempt: int, checkout: Checkout
) -> None:
    seeds = ",".join(str(10 * attempt + number) for number in range(8))
    with sweeping(
        checkout, "training.epochs=3", f"seed={seeds}", "hydra.launcher.n_jobs=4"
    ) as sweep:
        _, told = sweep.communicate(timeout=200)
        assert (sweep.returncode, told) == (0, "")
    found = contents(checkout.paths)
    children = [run for run in found.values() if run["parent"]]
    assert len(found) == 9
    assert sorted(run["tags"]["seed"] for run in children) == sorted(seeds.split(","))
    assert {run["status"] for run in found.values()} == {"FINISHED"}
    for run in children:
        assert len(run["points"]) == 3 * 6
        assert len(run["models"]) == 1
    assert all(key.startswith("digits-demo/") for key in found)

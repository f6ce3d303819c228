"""Checkouts with something to mirror."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.base.config import compose
from pipeline.records.gather import gather
from pipeline.stages.evaluate import evaluate
from pipeline.tracking.store import connect
from pipeline.tracking.sync import sync
from tests.conftest import NOT_LIVE, Checkout, copy_of

EPOCHS, SEEDS = 3, (0, 1, 2)


def bring_up_to_date(checkout: Checkout) -> None:
    """Do what `python -m pipeline.stages.track` does, without importing MLflow once more."""
    sync(compose(checkout.paths), checkout.paths)


@pytest.fixture(scope="session")
def finished(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with everything done but the mirror: three epochs of three seeds."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("finished"))
    checkout.declare(training={"epochs": EPOCHS}, seeds=list(SEEDS), tracking=NOT_LIVE)
    checkout.train("hydra/launcher=basic", "output=runs")
    config = compose(checkout.paths)
    evaluate(config, checkout.paths)
    gather(config, checkout.paths)
    # Making a store takes seconds: once, and copies of it while it is empty.
    connect(None, checkout.paths)
    shutil.copyfile(checkout.paths.store, empty_store(checkout))
    return checkout


def empty_store(checkout: Checkout) -> Path:
    return checkout.paths.root / "empty.db"


def start_anew(checkout: Checkout) -> None:
    """Forget what is mirrored, as if nothing had ever been."""
    for path in checkout.paths.root.glob("mlflow.db*"):
        path.unlink()
    shutil.rmtree(checkout.paths.artifacts, ignore_errors=True)
    shutil.copyfile(empty_store(checkout), checkout.paths.store)


@pytest.fixture
def unmirrored(finished: Checkout, tmp_path: Path) -> Checkout:
    """Return a copy of it of one's own, with an empty store."""
    checkout = copy_of(finished.paths.root, tmp_path)
    start_anew(checkout)
    return checkout


@pytest.fixture(scope="session")
def complete(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with everything in its store."""
    return filled(finished, tmp_path_factory.mktemp("complete"))


def filled(finished: Checkout, folder: Path) -> Checkout:
    """Return a copy in `folder`, with everything in a store of its own."""
    checkout = copy_of(finished.paths.root, folder)
    start_anew(checkout)
    bring_up_to_date(checkout)
    return checkout


# Where MLflow's database names the folder of its artifacts.
PLACES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
}


@pytest.fixture
def mirrored(complete: Checkout, tmp_path: Path) -> Checkout:
    """Return a copy of it of one's own, whose store is as if it had been filled there."""
    checkout = copy_of(complete.paths.root, tmp_path)
    moved = (complete.paths.artifacts.as_uri(), checkout.paths.artifacts.as_uri())
    with closing(sqlite3.connect(checkout.paths.store)) as store, store:
        for table, column in PLACES.items():
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", moved)
    return checkout

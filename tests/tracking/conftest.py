"""Checkouts with something to mirror."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking._tracking_service import utils as mlflow_utils

from pipeline.base.config import compose
from pipeline.records.gather import gather
from pipeline.stages.evaluate import evaluate
from pipeline.tracking.store import connect
from pipeline.tracking.sync import sync
from tests.conftest import NOT_LIVE, Checkout, copy_of
from tests.tracking.stores import contents

EPOCHS, SEEDS = 3, (0, 1, 2)


def bring_up_to_date(checkout: Checkout) -> None:
    """Do what `python -m pipeline.stages.track` does, without importing MLflow once more."""
    sync(compose(checkout.paths), checkout.paths)


@pytest.fixture(scope="session")
def finished(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with three epochs of three seeds and an empty store; tests copy it."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("finished"))
    checkout.declare(training={"epochs": EPOCHS}, seeds=list(SEEDS), tracking=NOT_LIVE)
    checkout.train("hydra/launcher=basic", "output=runs")
    config = compose(checkout.paths)
    evaluate(config, checkout.paths)
    gather(config, checkout.paths)
    # Making an empty store takes seconds: once, for copies of it.
    connect(None, checkout.paths)
    return checkout


@pytest.fixture
def unmirrored(finished: Checkout, tmp_path: Path) -> Checkout:
    """Return a copy of it of one's own, with an empty store."""
    return copy_of(finished.paths.root, tmp_path)


@pytest.fixture(scope="session")
def complete(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with everything in its store."""
    checkout = copy_of(finished.paths.root, tmp_path_factory.mktemp("complete"))
    bring_up_to_date(checkout)
    return checkout


@pytest.fixture(scope="session")
def expected(complete: Checkout) -> dict[str, Any]:
    """Return what a new store holds after one undisturbed pass."""
    return contents(complete.paths)


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
    # By run, MLflow remembers where artifacts lie. In one process, copies of a store have the same
    # runs, so it would write into another copy.
    mlflow_utils._artifact_repos_cache.clear()
    return checkout

"""Checkouts with something to mirror."""

import shutil
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


@pytest.fixture
def mirrored(unmirrored: Checkout) -> Checkout:
    """Return a copy of it of one's own, with everything in its store."""
    bring_up_to_date(unmirrored)
    return unmirrored

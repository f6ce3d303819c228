"""DVC's experiments, in copies of the checkout too: what they train is kept and found again."""

import shutil
from pathlib import Path

import pytest

from pipeline.base.config import compose
from pipeline.base.files import read_json
from pipeline.base.paths import Paths
from pipeline.records.record import Finished, read_record
from pipeline.tracking.store import connect
from tests.conftest import NOT_LIVE, Checkout
from tests.hostile_git import commit_all, under_git

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MLflow's, of its own SQL
]


@pytest.fixture(scope="module")
def reproduced(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout under git, with the committed results of two seeds and two epochs."""
    checkout = plain_copy(prepared_checkout, tmp_path_factory.mktemp("experiments"))
    checkout.declare(seeds=[0, 1], training={"epochs": 2}, tracking=NOT_LIVE)
    under_git(checkout.paths.root)
    checkout.run("dvc", "config", "core.no_scm", "false")
    checkout.run("dvc", "repro")
    commit_all(checkout.paths.root)
    return checkout


@pytest.fixture
def checkout(reproduced: Checkout, tmp_path: Path) -> Checkout:
    return plain_copy(reproduced.paths.root, tmp_path)


def plain_copy(root: Path, folder: Path) -> Checkout:
    """Return a copy in a folder whose name DVC's `--temp` can take: one without umlauts."""
    shutil.copytree(root, folder / "checkout")
    return Checkout(Paths(folder / "checkout"))


def records(checkout: Checkout) -> dict[str, Finished]:
    states = map(read_record, checkout.paths.records.glob("[0-9a-f]*"))
    return {state.identity: state for state in states if isinstance(state, Finished)}


def headline(checkout: Checkout) -> str:
    """Return the test accuracy that the report's text states."""
    return checkout.paths.summary.read_text().splitlines()[2].partition(": ")[2]


def page(checkout: Checkout) -> str:
    return checkout.paths.page.read_text().replace("\N{NO-BREAK SPACE}", " ")


def would_train(checkout: Checkout, *words: str) -> int:
    """Return how many seeds would be trained, and not reused."""
    shown = checkout.train("dry_run=true", *words).stdout
    return shown.count("be trained")


def test_an_experiment_in_a_copy_is_the_originals(checkout: Checkout) -> None:
    """`--temp`: its records and runs in MLflow are here; the copy itself is gone."""
    before = records(checkout)
    checkout.run("dvc", "exp", "run", "--temp", "--name=wide", "-S", "training.learning_rate=0.05")
    new = records(checkout).keys() - before.keys()
    assert len(new) == 2
    assert would_train(checkout, "training.learning_rate=0.05", "seed=0,1") == 0
    client = connect(None, checkout.paths).client
    (experiment,) = (
        e for e in client.search_experiments() if e.name == compose(checkout.paths).study
    )
    identities = {
        run.data.tags.get("identity") for run in client.search_runs([experiment.experiment_id])
    }
    assert new <= identities

    shown = checkout.paths.page.read_bytes()
    checkout.run("dvc", "exp", "apply", "wide")
    assert compose(checkout.paths).training.learning_rate == 0.05
    assert checkout.paths.page.read_bytes() != shown
    accuracy, _, details = headline(checkout).removesuffix(")").partition(" (")
    assert accuracy in page(checkout)
    assert details in page(checkout)
    checkout.run("dvc", "repro")
    applied = {name: record for name, record in records(checkout).items() if name in new}
    tests = {entry["manifest"]: entry["accuracy"] for entry in read_json(checkout.paths.tests)}
    assert {r.manifest: r.test and r.test["accuracy"] for r in applied.values()} == tests
    # The first configuration keeps what it was tested with.
    assert all(record.test for record in records(checkout).values())


def test_queued_experiments_are_kept(checkout: Checkout) -> None:
    before = records(checkout)
    for rate in ("0.05", "0.2"):
        words = ("exp", "run", "--queue", "-S", f"training.learning_rate={rate}")
        checkout.run("dvc", *words)
    checkout.run("dvc", "exp", "run", "--run-all")
    assert len(records(checkout).keys() - before.keys()) == 4


def test_runs_that_dvc_brings_are_records_before_it_deletes_them(checkout: Checkout) -> None:
    """As after `dvc pull` in a new clone: runs/ is there, and nothing was ever trained here."""
    shutil.rmtree(checkout.paths.records)
    for path in checkout.paths.root.glob("mlflow.db*"):
        path.unlink()
    checkout.declare(seeds=[0, 1, 2])
    printed = checkout.run("dvc", "repro").stdout
    assert "seed 2: 2 epochs" in printed
    kept = {record.seed: record for record in records(checkout).values()}
    assert [seed for seed, record in sorted(kept.items()) if "started" in record.origin] == [2]
    assert all(record.test for record in kept.values())
    assert read_json(checkout.paths.metrics)["test"]["n"] == 3


def test_a_configuration_keeps_its_test_results_when_another_one_is_run(
    checkout: Checkout,
) -> None:
    first = {name: record.test for name, record in records(checkout).items()}
    checkout.run("dvc", "exp", "run", "-S", "training.learning_rate=0.05")
    assert all(first.values())
    for path in checkout.paths.root.glob("mlflow.db*"):
        path.unlink()
    checkout.run("pipeline.stages.track")
    assert {name: records(checkout)[name].test for name in first} == first
    client = connect(None, checkout.paths).client
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.identity LIKE '%'")
    assert len(runs) == 4
    assert all("test/accuracy" in run.data.metrics for run in runs)


def test_experiments_and_revisions_are_compared_by_their_names(checkout: Checkout) -> None:
    """Also where `records/` has nothing of them, as in another clone."""
    checkout.run("dvc", "exp", "run", "--name=lr05", "-S", "training.learning_rate=0.05")
    for words in ("--test",), ():
        done = checkout.run("pipeline.results.compare", "main", "lr05", *words)
        assert "lr 0.05" in done.stdout
        assert "2 of 2" in done.stdout
        shutil.rmtree(checkout.paths.records)
    part = "main-lr05-validation"
    assert (checkout.paths.comparison / part / "comparison.csv").exists()

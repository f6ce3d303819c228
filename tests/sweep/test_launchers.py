"""Every launcher (processes, SLURM, Ray) gives the bytes of one process; and searches work."""

import csv
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.records.record import read_record
from tests.conftest import Checkout
from tests.sweep import slurm
from tests.sweep.runs import SHORT, records, start, wait_for_records, wait_until_nobody_trains


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is an extra; `make launchers` adds it")


@pytest.mark.slow
@needs("submitit")
def test_submitit_on_this_machine_gives_the_same_bytes(
    checkout: Checkout, undisturbed: dict[str, str]
) -> None:
    checkout.train("hydra/launcher=submitit_local", *SHORT)
    assert records(checkout) == undisturbed


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    reason = slurm.why_not()
    if reason:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory() as folder, slurm.cluster(Path(folder)) as environment:
        yield environment


ON_SLURM = ("pipeline.stages.train", "hydra/launcher=slurm", "hydra.launcher.partition=debug")


@pytest.mark.slow
@needs("submitit")
def test_slurm_gives_the_same_bytes(
    cluster: dict[str, str], checkout: Checkout, undisturbed: dict[str, str]
) -> None:
    checkout.run(*ON_SLURM, *SHORT, "tracking.live=false", env=cluster)
    assert records(checkout) == undisturbed


@needs("ray")
@pytest.mark.slow
def test_ray_gives_the_same_bytes(checkout: Checkout, undisturbed: dict[str, str]) -> None:
    checkout.train("hydra/launcher=ray", *SHORT)
    assert records(checkout) == undisturbed


@needs("ray")
@pytest.mark.slow
def test_ray_ends_with_its_launcher(checkout: Checkout) -> None:
    """Workers at once; Ray's own agents once they notice that it is gone, within a minute."""
    sweep = start(checkout, "hydra/launcher=ray", "training.epochs=2000", "seed=0,1")
    wait_for_records(checkout, "*/progress.npz")
    sweep.kill()
    sweep.communicate(timeout=60)
    wait_until_nobody_trains(checkout, but="Agent")
    wait_until_nobody_trains(checkout, seconds=150)


@pytest.mark.slow
@needs("optuna")
def test_a_search_maximises_validation_accuracy_and_lists_its_trials(checkout: Checkout) -> None:
    """A step size of a million diverges: such trials failed, and the search goes on."""
    checkout.train(
        "hydra/sweeper=search",
        "hydra.sweeper.n_trials=4",
        "training.epochs=2",
        "training.learning_rate=choice(0.0001, 0.001, 1e6)",
        *("network.activation=identity", "network.output=identity", "training.cost=squared_error"),
        "seed=0",
    )
    (folder,) = checkout.paths.sweeps.iterdir()
    best = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    with (folder / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    accuracies = [float(row["validation_accuracy"]) for row in rows if row["state"] == "complete"]
    assert accuracies == sorted(accuracies, reverse=True)
    assert best["best_value"] == accuracies[0]
    assert "test" not in " ".join(rows[0])
    failed = {row["record"] for row in rows if row["state"] == "failed"}
    rates = {}
    for name in [row["record"] for row in rows]:
        described = read_record(checkout.paths.records / name).description
        assert described is not None
        rates[name] = described["experiment"]["training"]["learning_rate"]
    assert failed == {name for name, rate in rates.items() if rate == 1e6}
    assert 0 < len(failed) < 4

"""Environment variables of the user are not recorded."""

import pytest

from tests.conftest import Checkout

SECRET = "hunter2-correct-horse-battery-staple"


@pytest.mark.slow
def test_environment_variables_are_recorded_nowhere(checkout: Checkout) -> None:
    """A seed that finishes and one that diverges, mirrored into MLflow as they train."""
    words = ("training.epochs=1", "training.learning_rate=0.1,1e6", "seed=0", "tracking.live=true")
    environment = {"AWS_SECRET_ACCESS_KEY": SECRET, "MLFLOW_TRACKING_PASSWORD": SECRET}
    done = checkout.run("pipeline.stages.train", *words, env=environment, check=False)
    assert done.returncode == 1, "one of them fails"
    written = [path for path in checkout.paths.root.rglob("*") if path.is_file()]
    assert checkout.paths.store in written
    assert list(checkout.paths.records.glob("*/failure.json")) != []
    holding = [str(path) for path in written if SECRET.encode() in path.read_bytes()]
    assert holding == []
    assert SECRET not in done.stdout + done.stderr

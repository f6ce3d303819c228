"""A seed's model, as MLflow loads and serves it: raw pixels in, digits out, nothing pickled."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import requests

from pipeline.config import compose
from pipeline.data import prepared
from pipeline.records.record import read_finished
from pipeline.tracking.store import SETTINGS, connect
from pipeline.tracking.sync import sync
from tests.conftest import Checkout, copy_of
from tests.tracking.stores import end, wait_for

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def trained(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with one seed of a whitened configuration, in a store."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("model"))
    checkout.train("preprocess=whiten", "training.epochs=3", "seed=0")
    sync(compose(checkout.paths), checkout.paths)
    return checkout


@pytest.fixture
def run_id(trained: Checkout) -> str:
    client = connect(None, trained.paths)
    experiments = [e.experiment_id for e in client.search_experiments()]
    (run,) = client.search_runs(experiments, "tags.seed = '0'")
    return str(run.info.run_id)


@pytest.fixture
def images(trained: Checkout) -> Any:
    return prepared.test_file(trained.paths, "digits").pixels


@pytest.fixture
def expected(trained: Checkout, images: Any) -> list[int]:
    (folder,) = (path.parent for path in trained.paths.records.glob("*/model.npz"))
    return read_finished(folder).model().predict(images).tolist()


def test_a_loaded_model_predicts_from_raw_pixels(
    run_id: str, images: Any, expected: list[int]
) -> None:
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    assert model.predict(images).tolist() == expected
    accuracy = np.mean(model.predict(images[:100]) == expected[:100])
    assert accuracy == 1


def test_images_of_another_size_are_refused(run_id: str, images: Any) -> None:
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    with pytest.raises(mlflow.MlflowException, match="64"):
        model.predict(images[:, :-1])


def test_the_model_is_code_and_arrays_with_pinned_requirements(
    trained: Checkout, run_id: str
) -> None:
    folder = Path(connect(None, trained.paths).download_artifacts(run_id, "model"))
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "data/model.npz", "requirements.txt"} <= names
    plain = (".py", ".npz", ".txt", ".yaml", ".json", ".j2", "MLmodel")
    assert [name for name in names if not name.endswith(plain)] == []
    required = (folder / "requirements.txt").read_text().splitlines()
    assert {line.split("==")[0] for line in required} >= {"numpy", "mlflow"}
    assert all("==" in line for line in required)
    with np.load(folder / "data" / "model.npz", allow_pickle=False) as arrays:
        assert "W1" in arrays.files


@pytest.mark.slow
def test_mlflow_serves_it(
    trained: Checkout, run_id: str, images: Any, expected: list[int], free_port: int
) -> None:
    url = f"http://127.0.0.1:{free_port}"
    store = f"sqlite:///{trained.paths.store}"
    served = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve"),
            *("--model-uri", f"runs:/{run_id}/model", "--env-manager", "local"),
            *("--host", "127.0.0.1", "--port", str(free_port)),
        ],
        cwd=trained.paths.root,
        env={**os.environ, **SETTINGS, "MLFLOW_TRACKING_URI": store},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"{url}/ping", served)
        answer = requests.post(
            f"{url}/invocations",
            data=json.dumps({"inputs": images[:20].tolist()}),
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        assert answer.json() == {"predictions": expected[:20]}
    finally:
        end(served)

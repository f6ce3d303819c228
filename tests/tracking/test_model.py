"""A seed's model, as MLflow lists, loads and serves it: raw pixels in, digits out."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow.entities import LoggedModel

from pipeline.base.config import compose
from pipeline.base.paths import find_root
from pipeline.data.catalogue import DATASETS
from pipeline.data.raw import read_examples
from pipeline.records.record import Finished, Test, add_test, read_finished
from pipeline.tracking.datasets import data_parts, dataset_input
from pipeline.tracking.fetch import fetch
from pipeline.tracking.models import NAME, TAG
from pipeline.tracking.store import SETTINGS, connect
from pipeline.tracking.sync import sync
from tests.conftest import Checkout, copy_of, run_python
from tests.tracking.stores import end, models_by_run, server, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

MOST_BYTES = 50_000  # beside the weights


@pytest.fixture(scope="module")
def trained(prepared_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with models of all kinds in a store."""
    checkout = copy_of(prepared_checkout, tmp_path_factory.mktemp("model"))
    methods = "preprocess=raw,standardise,per_feature,whiten,zca"
    checkout.train(methods, "training.epochs=2", "seed=0,1")
    checkout.train("training=float64", "network.activation=sigmoid", "training.epochs=2", "seed=0")
    sync(compose(checkout.paths), checkout.paths)
    return checkout


def records(checkout: Checkout) -> list[Finished]:
    folders = sorted(path.parent for path in checkout.paths.records.glob("*/manifest.json"))
    return [read_finished(folder) for folder in folders]


@pytest.fixture
def client(trained: Checkout) -> mlflow.MlflowClient:
    return connect(None, trained.paths).client


def experiment_of(client: mlflow.MlflowClient) -> str:
    (experiment,) = client.search_experiments(filter_string="name LIKE 'digits%'")
    return str(experiment.experiment_id)


def run_of(client: mlflow.MlflowClient, record: Finished) -> str:
    wanted = f"tags.identity = '{record.identity}'"
    (run,) = client.search_runs([experiment_of(client)], wanted)
    return str(run.info.run_id)


def models_of(client: mlflow.MlflowClient, run_id: str) -> list[LoggedModel]:
    return models_by_run(client, experiment_of(client)).get(run_id, [])


def model_of(client: mlflow.MlflowClient, record: Finished) -> LoggedModel:
    (model,) = models_of(client, run_of(client, record))
    return model


@pytest.fixture
def whitened(trained: Checkout) -> Finished:
    for record in records(trained):
        if record.description["experiment"]["preprocess"]["method"] == "whiten":
            return record
    raise AssertionError("no record is of a whitening")


@pytest.fixture
def images(trained: Checkout) -> Any:
    return read_examples(DATASETS["digits"], trained.paths)["test"].raw


@pytest.fixture
def loaded(client: mlflow.MlflowClient, whitened: Finished) -> Any:
    return mlflow.pyfunc.load_model(model_of(client, whitened).model_uri)


@pytest.fixture
def expected(whitened: Finished, images: Any) -> list[int]:
    return whitened.model().predict(images).tolist()


# --- what it answers ---


def test_every_model_answers_as_its_record(
    trained: Checkout, client: mlflow.MlflowClient, images: Any
) -> None:
    training = read_examples(DATASETS["digits"], trained.paths)["train"].raw
    for record in records(trained):
        model = mlflow.pyfunc.load_model(model_of(client, record).model_uri)
        for pixels in (images, training):
            expected = record.model().predict(pixels)
            np.testing.assert_array_equal(model.predict(pixels), expected, strict=True)
    assert len(records(trained)) == 11


def test_its_address_by_its_run_leads_to_the_same_model(
    client: mlflow.MlflowClient, whitened: Finished, images: Any, expected: list[int]
) -> None:
    by_run = mlflow.pyfunc.load_model(f"runs:/{run_of(client, whitened)}/{NAME}")
    assert by_run.predict(images).tolist() == expected


FORMS: dict[str, Callable[[Any], Any]] = {
    "rows of pixels": lambda images: images,
    "images": lambda images: images.reshape(-1, 8, 8),
    "int64": lambda images: images.astype(np.int64),
    "uint16 images": lambda images: images.reshape(-1, 8, 8).astype(np.uint16),
    "big-endian": lambda images: images.astype(">i4"),
    "lists": lambda images: images.tolist(),
    "lists of images": lambda images: images.reshape(-1, 8, 8).tolist(),
    "a list of arrays": lambda images: list(images),
    "a table": pd.DataFrame,
}


@pytest.mark.parametrize("form", FORMS)
def test_images_are_taken_in_every_form_of_whole_numbers(
    loaded: Any, images: Any, expected: list[int], form: str
) -> None:
    assert loaded.predict(FORMS[form](images)).tolist() == expected


def test_zero_images_have_zero_answers(loaded: Any, images: Any) -> None:
    answer = loaded.predict(images[:0])
    assert answer.shape == (0,)
    assert answer.dtype == np.int64


def with_first(value: object) -> Callable[[Any], Any]:
    """Return a function that replaces the first pixel of lists."""

    def replace(images: Any) -> Any:
        rows = images.tolist()
        rows[0][0] = value
        return rows

    return replace


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "half": (with_first(0.5), "list of type float64"),
    "NaN": (with_first(float("nan")), "list of type float64"),
    "whole floats": (lambda images: images.astype(np.float32), "ndarray of type float32"),
    "from 0 to 1": (lambda images: images / 255, "ndarray of type float64"),
    "booleans": (lambda images: images > 0, "type bool"),
    "negative": (with_first(-1), "numbers from -1 to"),
    "too large": (with_first(256), "numbers from 0 to 256"),
    "huge": (with_first(2**70), "type object"),
    "text": (with_first("7"), "type <U"),
    "nothing": (with_first(None), "type object"),
    "a shorter row": (lambda images: [*images[:2].tolist(), [0]], "rows of different lengths"),
    "a pixel less": (lambda images: images[:, :-1], "shape (360, 63)"),
    "one image as a row": (lambda images: images[0], "shape (64,)"),
    "one image": (lambda images: images[0].reshape(8, 8), "shape (8, 8)"),
    "with a channel": (lambda images: images.reshape(-1, 8, 8, 1), "shape (360, 8, 8, 1)"),
    "an empty list": (lambda images: [], "shape (0,)"),
    "a number": (lambda images: 7, "int of type int64 and shape ()"),
    "a dictionary": (lambda images: {"images": images}, "dict of type object and shape ()"),
    "None": (lambda images: None, "NoneType of type object and shape ()"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_everything_else_is_refused_with_a_sentence(loaded: Any, images: Any, case: str) -> None:
    wrong, got = REFUSED[case]
    with pytest.raises(mlflow.MlflowException) as refusal:
        loaded.predict(wrong(images))
    assert str(refusal.value).startswith(
        "images must be whole numbers from 0 to 255 of an integer type, with the shape (N, 64) or "
        "(N, 8, 8); got "
    )
    assert got in str(refusal.value)


# --- what it is made of ---


# What MLflow and Python leave in a model that has been loaded.
LEFT = {"registered_model_meta", "__pycache__"}


def files_of(model: LoggedModel) -> dict[str, bytes]:
    folder = Path(mlflow.artifacts.download_artifacts(model.model_uri))
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not LEFT & set(path.parts)
    }


def test_a_model_is_its_record_s_weights_and_a_little_code(
    client: mlflow.MlflowClient, whitened: Finished
) -> None:
    files = files_of(model_of(client, whitened))
    assert files.pop("data/model.npz") == (whitened.folder / "model.npz").read_bytes()
    assert sum(map(len, files.values())) <= MOST_BYTES
    plain = (".py", ".txt", ".yaml", "MLmodel")
    assert [name for name in files if not name.endswith(plain)] == []
    required = files["requirements.txt"].decode().splitlines()
    assert [line.split("==")[0] for line in required] == ["numpy", "mlflow"]


# Refuses what a model must not need, wherever it is installed.
ALONE = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pipeline", "llvmlite"}:
            raise ImportError(f"{name} is missing")

sys.meta_path.insert(0, Refusing())
import json, mlflow, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict(np.load(sys.argv[2])).tolist()))
"""


def test_a_model_loads_where_neither_this_package_nor_a_compiler_is_installed(
    client: mlflow.MlflowClient,
    whitened: Finished,
    images: Any,
    expected: list[int],
    tmp_path: Path,
) -> None:
    uri = model_of(client, whitened).model_uri
    folder = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "model"))
    np.save(tmp_path / "images.npy", images)
    images_file = str(tmp_path / "images.npy")
    done = run_python("-c", ALONE, folder, images_file, cwd=tmp_path, env=SETTINGS)
    assert done.stderr == ""
    assert json.loads(done.stdout) == expected


# --- how it stands in the store ---


def test_a_model_is_linked_with_its_run_its_data_and_its_numbers(
    client: mlflow.MlflowClient, whitened: Finished
) -> None:
    model = model_of(client, whitened)
    run = client.get_run(run_of(client, whitened))
    assert (model.name, model.status) == ("model", "READY")
    assert [(o.model_id, o.step) for o in run.outputs.model_outputs] == [(model.model_id, 2)]
    assert model.params == run.data.params
    assert model.params["seed"] == str(whitened.seed)
    names = {i.dataset.digest: i.dataset.name for i in run.inputs.dataset_inputs}
    linked = {m.key: (m.value, names[m.dataset_digest]) for m in model.metrics}
    accuracy = whitened.validation_accuracy
    assert linked["validation/accuracy"] == (100 * accuracy, "digits validation")
    assert linked["train/loss"][1] == "digits training"
    card = model.tags["mlflow.note.content"]
    assert card.startswith("# Model card: ")
    assert f"| {whitened.seed} | " in card
    assert whitened.hashes["model.npz"] in card
    assert "(N, 64) or (N, 8, 8)" in card
    assert run.info.run_id in card


def test_test_results_that_come_later_are_linked_too_and_nothing_is_there_twice(
    trained: Checkout, client: mlflow.MlflowClient
) -> None:
    (record,) = [r for r in records(trained) if r.model().network.layers[0].b.dtype == np.float64]
    before = model_of(client, record)
    assert "test/accuracy" not in {metric.key for metric in before.metrics}
    result: Test = {"loss": 0.25, "accuracy": 0.75}
    add_test(record, result)
    sync(compose(trained.paths), trained.paths)
    after = model_of(client, record)
    assert after.model_id == before.model_id
    assert [m.value for m in after.metrics if m.key == "test/accuracy"] == [75.0]
    run = client.get_run(run_of(client, record))
    for key in ("test/accuracy", "validation/accuracy", "train/loss"):
        history = client.get_metric_history(run.info.run_id, key)
        assert len({metric.step for metric in history}) == len(history)
    assert {i.tags[0].value for i in run.inputs.dataset_inputs} == {
        "training",
        "validation",
        "test",
    }


def delete(client: mlflow.MlflowClient, model: LoggedModel) -> None:
    client.delete_logged_model(model.model_id)


def mark_otherwise(client: mlflow.MlflowClient, model: LoggedModel) -> None:
    client.set_logged_model_tags(model.model_id, {TAG: f"own {'0' * 64} served"})


def double(client: mlflow.MlflowClient, model: LoggedModel) -> None:
    client.create_logged_model(model.experiment_id, NAME, model.source_run_id, model.tags)


def log_another_value(client: mlflow.MlflowClient, model: LoggedModel) -> None:
    metric = mlflow.entities.Metric("train/loss", 0.5, 1, 9, model_id=model.model_id)
    client.log_batch(model.source_run_id, metrics=[metric])


@pytest.mark.parametrize("disturb", [delete, mark_otherwise, double, log_another_value])
def test_changes_of_a_model_are_repaired(
    disturb: Callable[[mlflow.MlflowClient, LoggedModel], None],
    trained: Checkout,
    client: mlflow.MlflowClient,
    whitened: Finished,
    images: Any,
    expected: list[int],
) -> None:
    before = model_of(client, whitened)
    disturb(client, before)
    sync(compose(trained.paths), trained.paths)
    after = model_of(client, whitened)
    assert (after.status, len(after.metrics)) == ("READY", len(before.metrics))
    assert mlflow.pyfunc.load_model(after.model_uri).predict(images).tolist() == expected


def test_a_user_s_own_model_and_metric_stay(
    trained: Checkout, client: mlflow.MlflowClient, whitened: Finished
) -> None:
    model, run_id = model_of(client, whitened), run_of(client, whitened)
    own = client.create_logged_model(experiment_of(client), "own", run_id)
    metric = mlflow.entities.Metric("own", 1.0, 1000, 2, model_id=model.model_id)
    client.log_batch(run_id, metrics=[metric])
    sync(compose(trained.paths), trained.paths)
    assert model_of(client, whitened).model_id == model.model_id
    assert client.get_logged_model(own.model_id).name == "own"


# --- data sets ---


def test_data_sets_have_a_schema_a_source_and_a_digest(
    client: mlflow.MlflowClient, whitened: Finished
) -> None:
    run = client.get_run(run_of(client, whitened))
    inputs = {i.tags[0].value: i.dataset for i in run.inputs.dataset_inputs}
    assert inputs.keys() == {"training", "validation"}
    training = inputs["training"]
    schema = json.loads(training.schema)["mlflow_tensorspec"]
    (features,) = json.loads(schema["features"])
    assert features["tensor-spec"] == {"dtype": "uint8", "shape": [1337, 64]}
    source = mlflow.data.get_source(training)
    assert source.to_dict() == {"uri": "data/raw/digits/train-images-idx3-ubyte"}
    assert training.digest != inputs["validation"].digest


def described(name: str, *, split: str = "a", labels: str = "b") -> dict[str, Any]:
    """Return what the data sets of a run are a function of."""
    files = {**DATASETS[name].files, "train-labels-idx1-ubyte": labels}
    return {
        "experiment": {"data": {"name": name}, "split": {"train": 9, "validation": 1, "test": 5}},
        "data": files,
        "preparation": {"split": split},
    }


@pytest.mark.parametrize("name", [name for name in DATASETS if DATASETS[name].mirrors])
def test_the_source_of_a_published_data_set_is_its_mirror(name: str) -> None:
    parts = data_parts(described(name), tested=True)
    for part, file in zip(parts.values(), ("train", "train", "t10k"), strict=True):
        dataset = dataset_input(part).dataset
        source = mlflow.data.get_source(dataset)
        assert source.to_dict() == {
            "url": f"{DATASETS[name].mirrors[0]}/{file}-images-idx3-ubyte.gz"
        }


def test_the_schema_of_own_features_has_numbers_and_no_pixels() -> None:
    own = described("digits")
    files = {"wine.npz": "0" * 64}
    own["experiment"]["data"] = {
        "name": "wine",
        "files": files,
        "classes": ["a", "b"],
        "shape": [13],
    }
    for part in data_parts({**own, "data": files}, tested=True).values():
        schema = json.loads(dataset_input(part).dataset.schema)["mlflow_tensorspec"]
        (features,) = json.loads(schema["features"])
        assert features["tensor-spec"] == {"dtype": "float64", "shape": list(part.shape)}


def test_a_digest_changes_with_what_decides_the_images_and_with_nothing_else() -> None:
    def digests(**changes: str) -> list[str]:
        return [
            part.digest for part in data_parts(described("mnist", **changes), tested=True).values()
        ]

    before = digests()
    assert len(set(before)) == 3
    for changed in (digests(split="other"), digests(labels="other")):
        assert [old == new for old, new in zip(before, changed, strict=True)] == [
            False,
            False,
            True,
        ]


# --- other ways to it ---


def test_a_record_comes_back_with_its_model(
    trained: Checkout, client: mlflow.MlflowClient, whitened: Finished, tmp_path: Path
) -> None:
    (tmp_path / "back").mkdir()
    fetch(run_of(client, whitened), None, trained.paths, tmp_path / "back")
    assert read_finished(tmp_path / "back").hashes == whitened.hashes


@pytest.mark.slow
def test_a_server_holds_the_same_models(
    trained: Checkout, tmp_path: Path, images: Any, free_port: int
) -> None:
    checkout = copy_of(trained.paths.root, tmp_path)
    uri = f"http://127.0.0.1:{free_port}"
    checkout.declare(tracking={"uri": uri})
    with server(checkout.paths, free_port):
        sync(compose(checkout.paths), checkout.paths)
        client = connect(uri, checkout.paths).client
        for record in records(checkout):
            model = model_of(client, record)
            assert (model.status, model.params["seed"]) == ("READY", str(record.seed))
            assert {metric.key for metric in model.metrics} >= {
                "validation/accuracy",
                "train/loss",
            }
            answers = mlflow.pyfunc.load_model(model.model_uri).predict(images)
            assert answers.tolist() == record.model().predict(images).tolist()
        for run_id in (run_of(client, record) for record in records(checkout)):
            assert len(client.get_run(run_id).outputs.model_outputs) == 1


def printed(run_id: str, port: int) -> tuple[str, list[str]]:
    """Return the store's address and the command by which docs/tracking.md serves a model."""
    page = (find_root() / "docs" / "tracking.md").read_text()
    store = re.search(r"^export MLFLOW_TRACKING_URI=(\S+)", page, re.MULTILINE)
    command = re.search(r"^mlflow models serve .*$", page, re.MULTILINE)
    assert store is not None
    assert command is not None
    words = command.group(0).replace("<run id>", run_id).replace("5001", str(port))
    return store.group(1), words.split()


@pytest.mark.slow
def test_mlflow_serves_it_as_its_page_in_docs_says(
    trained: Checkout,
    client: mlflow.MlflowClient,
    whitened: Finished,
    images: Any,
    expected: list[int],
    free_port: int,
) -> None:
    url = f"http://127.0.0.1:{free_port}"
    store, command = printed(run_of(client, whitened), free_port)
    served = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=trained.paths.root,
        env={**os.environ, **SETTINGS, "MLFLOW_TRACKING_URI": store},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def ask(inputs: Any, key: str = "inputs") -> requests.Response:
        return requests.post(f"{url}/invocations", json={key: inputs}, timeout=30)

    try:
        wait_for(f"{url}/ping", served)
        rows = images[:20].tolist()
        assert ask(rows).json() == {"predictions": expected[:20]}
        pictures = images[:20].reshape(-1, 8, 8).tolist()
        assert ask(pictures).json() == {"predictions": expected[:20]}
        assert ask(rows, "instances").json() == {"predictions": expected[:20]}
        for case in ("half", "negative", "too large", "text", "an empty list"):
            wrong, got = REFUSED[case]
            refusal = ask(wrong(images[:2]))
            assert refusal.status_code == 400, case
            message = refusal.json()["message"]
            assert "images must be whole numbers from 0 to 255 of an integer type" in message
            assert got.partition(" of ")[2] in message
    finally:
        end(served)

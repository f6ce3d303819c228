"""Trained models as MLflow's logged models: what its Models page lists.

Convention: a seed's run has one logged model, named `model`, so that MLflow finds it both as
`models:/<model id>` and as `runs:/<run id>/model`. It is marked by a tag when it is created and
READY when it is complete; one that is not was cut off and is replaced. Models without the tag
are a user's own.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pipeline
from pipeline.base.files import sha256
from pipeline.tracking.datasets import DataPart

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

NAME = "model"
TAG = "pipeline.model"
REQUIRED = ("numpy", "mlflow")
# Of this package, in the folder structure that their relative imports need.
CODE = ("tracking/served_model.py", "network/activations.py")


class Model(NamedTuple):
    """A model as it has to stand in the store.

    Attributes:
        weights: its file, of a record that has been checked.
        digest: the SHA-256 of that file.
        image_shape: height and width in pixels.
        epochs: how many it was trained for.
        params: shown beside it.
    """

    weights: Path
    digest: str
    image_shape: tuple[int, int]
    epochs: int
    params: Mapping[str, str]


class Score(NamedTuple):
    """A value of a metric of the run, exactly as the run has it, and the data it was got from."""

    key: str
    value: float
    step: int
    time: int
    data: DataPart


def stored_models(client: MlflowClient, experiment_id: str) -> dict[str, list[LoggedModel]]:
    """Return the models in an experiment that the mirror made, by their runs' ids."""
    by_run: dict[str, list[LoggedModel]] = {}
    token = None
    while True:
        page = client.search_logged_models([experiment_id], page_token=token)
        for model in page:
            if TAG in model.tags:
                by_run.setdefault(model.source_run_id, []).append(model)
        token = page.token
        if not token:
            return by_run


def is_right(model: LoggedModel, wanted: Model, scores: Sequence[Score]) -> bool:
    """Tell whether a model is complete, and is linked with the scores."""
    linked = {(metric.key, metric.step, metric.value) for metric in model.metrics or ()}
    return _is_usable(model, wanted, scores) and linked >= {
        (score.key, score.step, score.value) for score in scores
    }


def bring_model_up_to_date(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    wanted: Model,
    scores: Sequence[Score],
    stored: Sequence[LoggedModel],
) -> LoggedModel:
    """See to it that a run has just the model that it should have, and return that.

    Args:
        client: of the store.
        experiment_id: the run's.
        run_id: the run.
        wanted: its model.
        scores: of the model; the run has them.
        stored: what `stored_models` says of the run.
    """
    usable = [model for model in stored if _is_usable(model, wanted, scores)][:1]
    delete_models(client, [model for model in stored if model not in usable])
    if usable:
        model_id = usable[0].model_id
        linked = {metric.key for metric in usable[0].metrics or ()}
        missing = [score for score in scores if score.key not in linked]
        _link_scores(client, run_id, model_id, missing)
    else:
        model_id = _write(client, experiment_id, run_id, wanted, scores)
    return client.get_logged_model(model_id)


def delete_models(client: MlflowClient, models: Sequence[LoggedModel]) -> None:
    """Delete these."""
    for model in models:
        client.delete_logged_model(model.model_id)


def _is_usable(model: LoggedModel, wanted: Model, scores: Sequence[Score]) -> bool:
    """Tell whether a model is complete, and nothing in it is wrong."""
    values = {score.key: (score.step, score.value) for score in scores}
    wrong = [
        metric
        for metric in model.metrics or ()
        if metric.key in values and values[metric.key] != (metric.step, metric.value)
    ]
    return model.status == "READY" and model.tags[TAG] == _mark(wanted) and not wrong


def _mark(wanted: Model) -> str:
    """Return the value of the tag: equal marks, equal weights and code."""
    return f"{wanted.digest} {_code_package()}"


@cache
def _code() -> dict[str, bytes]:
    package = Path(pipeline.__path__[0])
    return {name: (package / name).read_bytes() for name in CODE}


@cache
def _code_package() -> str:
    """Return the package's name in a model: another one for other code.

    Python imports a name once, so a process that loads models of two versions would run the code
    of the first for both.
    """
    return f"served_{sha256(b''.join(_code().values()))[:12]}"


def _write(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    wanted: Model,
    scores: Sequence[Score],
) -> str:
    """Write a model, and return its id."""
    from mlflow.entities import LoggedModelOutput

    tags = {TAG: _mark(wanted), "mlflow.note.content": _note(run_id, wanted)}
    created = client.create_logged_model(experiment_id, NAME, run_id, tags, dict(wanted.params))
    with tempfile.TemporaryDirectory() as folder:
        _save(Path(folder), created, wanted)
        client.log_model_artifacts(created.model_id, str(Path(folder) / NAME))
    _link_scores(client, run_id, created.model_id, scores)
    client.log_outputs(run_id, [LoggedModelOutput(created.model_id, wanted.epochs)])
    client.finalize_logged_model(created.model_id, "READY")
    return str(created.model_id)


def _note(run_id: str, wanted: Model) -> str:
    """Return the description on the model's page."""
    height, width = wanted.image_shape
    return (
        "Takes images as whole numbers from 0 to 255, as an array or a list with the shape "
        f"(N, {height * width}) or (N, {height}, {width}), and returns a digit for each; "
        "preprocessing is part of it:\n\n"
        f'    mlflow.pyfunc.load_model("runs:/{run_id}/{NAME}").predict(images)'
    )


def _save(folder: Path, created: LoggedModel, wanted: Model) -> None:
    """Write MLflow's files of a model to `folder`/model."""
    with warnings.catch_warnings():
        # MLflow warns of classes of its own, and that there is no input example.
        warnings.simplefilter("ignore")
        import numpy as np
        from mlflow.models import Model as MLmodel
        from mlflow.models import ModelSignature
        from mlflow.pyfunc import save_model
        from mlflow.types import Schema, TensorSpec

        package = folder / _code_package()
        for name, content in _code().items():
            (package / name).parent.mkdir(parents=True)
            (package / name).write_bytes(content)
        height, width = wanted.image_shape
        save_model(
            folder / NAME,
            mlflow_model=MLmodel(
                run_id=created.source_run_id,
                model_uuid=created.model_id,
                model_id=created.model_id,
            ),
            loader_module=f"{_code_package()}.tracking.served_model",
            data_path=str(wanted.weights),
            code_paths=[str(package)],
            model_config={"image_shape": [height, width]},
            # No input schema: MLflow's refuses lists and images, and rounds 0.5 to 0 over REST.
            # The model checks its input itself.
            signature=ModelSignature(None, Schema([TensorSpec(np.dtype(np.int64), (-1,))])),
            # Given, since MLflow would take seconds to find them out.
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIRED],
        )


def _link_scores(client: MlflowClient, run_id: str, model_id: str, scores: Sequence[Score]) -> None:
    """Link metrics that the run has with the model; the run does not get them twice."""
    from mlflow.entities import Metric

    metrics = [
        Metric(
            score.key,
            score.value,
            score.time,
            score.step,
            model_id=model_id,
            dataset_name=score.data.name,
            dataset_digest=score.data.digest,
        )
        for score in scores
    ]
    if metrics:
        client.log_batch(run_id, metrics=metrics)

"""Write trained models as MLflow's logged models, which its Models page lists.

Convention: a seed's run has one logged model, named `model`, so that MLflow finds it both as
`models:/<model id>` and as `runs:/<run id>/model`. It gets a tag when it is created, and the
status READY when it is complete. Models without the tag are the user's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pipeline
from pipeline.base.files import sha256
from pipeline.data.catalogue import Data, dataset_of
from pipeline.records.record import Finished
from pipeline.results.card import model_card
from pipeline.tracking.plan import NOTES, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities import Run as StoredRun

NAME = "model"
TAG = "pipeline.model"
REQUIRED = ("numpy", "mlflow")
# Files of this package that a model needs, in the folders that their relative imports expect.
CODE = ("tracking/served_model.py", "network/activations.py")


def mark(record: Finished, owner: str) -> str:
    """Return the tag's value, which identifies owner, weights and code."""
    return f"{owner} {record.hashes['model.npz']} {_code()[0]}"


@cache
def _code() -> tuple[str, dict[str, bytes]]:
    """Return the name of the package that holds a model's code, and its files.

    Each version of the code has its own name. With equal names, a process that loads models of two
    versions would run the first version for both, since Python imports a name once.
    """
    files = {name: (Path(pipeline.__path__[0]) / name).read_bytes() for name in CODE}
    return f"served_{sha256(b''.join(files.values()))[:12]}", files


def card(record: Finished, run_id: str) -> str:
    """Return the model card of a run, which says how to load the model."""
    return model_card([record], str(NOTES.load(run_id, _shape(record))))


def _shape(record: Finished) -> Sequence[int]:
    """Return the shape of an example."""
    return dataset_of(Data(**record.description["experiment"]["data"])).shape


def write_model(
    client: MlflowClient, run: StoredRun, wanted: Run, record: Finished, owner: str
) -> LoggedModel:
    """Write the model of a finished run; it is complete once its status is READY."""
    from mlflow.entities import LoggedModelOutput

    run_id, tags = run.info.run_id, {TAG: mark(record, owner)}
    created = client.create_logged_model(
        run.info.experiment_id, NAME, run_id, tags, dict(wanted.params)
    )
    with TemporaryDirectory() as folder:
        _save(Path(folder), record.folder / "model.npz", _shape(record))
        client.log_model_artifacts(created.model_id, str(Path(folder) / NAME))
    client.log_outputs(run_id, [LoggedModelOutput(created.model_id, wanted.points[-1].step)])
    return client.finalize_logged_model(created.model_id, "READY")


def _save(folder: Path, weights: Path, shape: Sequence[int]) -> None:
    """Write a model in MLflow's format to `folder`/model."""
    name, files = _code()
    for path, content in files.items():
        (folder / name / path).parent.mkdir(parents=True)
        (folder / name / path).write_bytes(content)
    with warnings.catch_warnings():
        # MLflow warns that there is no schema. Its own refuses lists and images, and rounds 0.5
        # to 0 over REST, so the model checks its input itself.
        warnings.simplefilter("ignore")
        from mlflow.pyfunc import save_model

        save_model(
            folder / NAME,
            loader_module=f"{name}.tracking.served_model",
            data_path=str(weights),
            code_paths=[str(folder / name)],
            model_config={"shape": list(shape)},
            # Otherwise MLflow takes seconds to infer them.
            pip_requirements=[f"{package}=={version(package)}" for package in REQUIRED],
        )

"""Trained models as MLflow's logged models: what its Models page lists.

Convention: a seed's run has one logged model, named `model`, so that MLflow finds it both as
`models:/<model id>` and as `runs:/<run id>/model`. A tag marks it as the mirror's when it is
created, and it is READY when it is complete. Models without the tag are a user's own.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pipeline
from pipeline.base.files import sha256
from pipeline.tracking.plan import NOTES, Model, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities import Run as StoredRun

NAME = "model"
TAG = "pipeline.model"
REQUIRED = ("numpy", "mlflow")
# Of this package, in the folder structure that their relative imports need.
CODE = ("tracking/served_model.py", "network/activations.py")


def mark(model: Model, owner: str) -> str:
    """Return the value of the tag: equal marks, equal owner, weights and code."""
    return f"{owner} {model.digest} {_code_package()}"


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


def write_model(client: MlflowClient, run: StoredRun, wanted: Run, owner: str) -> LoggedModel:
    """Write the model of a run that has one; it is complete as soon as it is READY."""
    from mlflow.entities import LoggedModelOutput

    assert wanted.model is not None
    run_id = run.info.run_id
    note = NOTES.model(run_id, *wanted.model.image_shape)
    created = client.create_logged_model(
        run.info.experiment_id,
        NAME,
        run_id,
        {TAG: mark(wanted.model, owner), "mlflow.note.content": note},
        dict(wanted.params),
    )
    with tempfile.TemporaryDirectory() as folder:
        _save(Path(folder), created, wanted.folder / "model.npz", wanted.model)
        client.log_model_artifacts(created.model_id, str(Path(folder) / NAME))
    client.log_outputs(run_id, [LoggedModelOutput(created.model_id, wanted.points[-1].step)])
    return client.finalize_logged_model(created.model_id, "READY")


def _save(folder: Path, created: LoggedModel, weights: Path, wanted: Model) -> None:
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
        save_model(
            folder / NAME,
            mlflow_model=MLmodel(
                run_id=created.source_run_id,
                model_uuid=created.model_id,
                model_id=created.model_id,
            ),
            loader_module=f"{_code_package()}.tracking.served_model",
            data_path=str(weights),
            code_paths=[str(package)],
            model_config={"image_shape": list(wanted.image_shape)},
            # No input schema: MLflow's refuses lists and images, and rounds 0.5 to 0 over REST.
            # The model checks its input itself.
            signature=ModelSignature(None, Schema([TensorSpec(np.dtype(np.int64), (-1,))])),
            # Given, since MLflow would take seconds to find them out.
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIRED],
        )

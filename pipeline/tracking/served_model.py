"""The model as MLflow serves it: raw images in, digits out.

MLflow keeps this package beside the weights, imports this module when the model is loaded, and
calls `_load_pyfunc`. So a served model is code and plain arrays; nothing is pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.records.model import Model, parse_model


class ServedModel:
    """What MLflow asks for predictions."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, model_input: Any, params: Any = None) -> NDArray[np.int64]:
        """Return a digit an image.

        Args:
            model_input: raw pixels from 0 to 255, shape (N, n).
            params: MLflow's; none are taken.
        """
        return self._model.predict(np.asarray(model_input, np.uint8))


def _load_pyfunc(path: str) -> ServedModel:
    return ServedModel(parse_model(Path(path).read_bytes(), name=path))

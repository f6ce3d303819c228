"""The model that MLflow loads and serves: it takes raw examples and returns classes.

Convention: MLflow stores a copy of this file with the weights, and runs it without this package.
So it imports only NumPy, MLflow, and the activation functions, which are copied too; by a relative
import, since the copied package has another name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from ..network.activations import ACTIVATIONS, Array

# Examples computed at once, to limit memory.
BLOCK = 1000
WHITE = 255


class ServedModel:
    """Preprocessor and network, in plain NumPy.

    It computes in float64; training computed in another dtype and order. So an answer can differ
    from the record's if the outputs of two classes agree to about six digits. This happens for no
    test image of the published results.

    Args:
        arrays: a model's file; see `pipeline.records.model`.
        shape: of an example: height and width of an image in pixels, or the number of features.
    """

    def __init__(self, arrays: dict[str, NDArray[Any]], shape: tuple[int, ...]) -> None:
        # The preprocessor is stored in float64, but training rounded it.
        dtype = arrays["W1"].dtype
        self._arrays = {
            name: array.astype(dtype).astype(np.float64)
            for name, array in arrays.items()
            if array.dtype.kind == "f"
        }
        self._functions = [ACTIVATIONS[name].function for name in arrays["activations"].tolist()]
        self._shape = shape
        self._is_image = len(shape) == 2

    def predict(self, model_input: Any) -> NDArray[np.int64]:
        """Return the predicted class of each example, shape (N,).

        Args:
            model_input: an array, a list or a table with the shape (N, n) or (N, *shape): of
                images, whole numbers from 0 to 255 of any integer type; of features, any numbers.

        Raises:
            MlflowException: the input is anything else; the message says what.
        """
        pixels = self._pixels(model_input)
        blocks = [pixels[start : start + BLOCK] for start in range(0, len(pixels), BLOCK)]
        classes = [self._outputs(block).argmax(axis=1) for block in blocks]
        return np.concatenate([np.empty(0, np.int64), *classes])

    def _pixels(self, images: Any) -> NDArray[Any]:
        """Return examples of shape (N, n)."""
        n = int(np.prod(self._shape))
        try:
            pixels = np.asarray(images)
        except ValueError:  # a list whose rows differ in length is no array
            raise self._refusal("rows of different lengths") from None
        # Images in floats are refused: 0 and 1 could be pixels or pixels / 255. So are booleans.
        kinds = "iu" if self._is_image else "iuf"
        if pixels.shape[1:] not in ((n,), self._shape) or pixels.dtype.kind not in kinds:
            kind = type(images).__name__
            raise self._refusal(f"{kind} of type {pixels.dtype} and shape {pixels.shape}")
        if self._is_image and pixels.size and (pixels.min() < 0 or pixels.max() > WHITE):
            raise self._refusal(f"numbers from {pixels.min()} to {pixels.max()}")
        return pixels.reshape(len(pixels), n)

    def _refusal(self, got: str) -> MlflowException:
        what = "features must be numbers"
        if self._is_image:
            what = f"images must be whole numbers from 0 to {WHITE} of an integer type"
        shapes = dict.fromkeys([(int(np.prod(self._shape)),), self._shape])
        words = " or ".join(f"(N, {', '.join(map(str, shape))})" for shape in shapes)
        return MlflowException.invalid_parameter_value(f"{what}, with the shape {words}; got {got}")

    def _outputs(self, pixels: NDArray[Any]) -> Array:
        """Return the last layer's H_bar of shape (b, m)."""
        arrays = self._arrays
        X: Array = (pixels - arrays["shift"]) * arrays["scale"]
        if "matrix" in arrays:
            X = X @ arrays["matrix"]
        for number, function in enumerate(self._functions, start=1):
            H_bar = X @ arrays[f"W{number}"].T + arrays[f"b{number}"]
            X = function(H_bar)
        return H_bar


def _load_pyfunc(path: str, model_config: dict[str, Any]) -> ServedModel:
    with np.load(path, allow_pickle=False) as arrays:
        return ServedModel(dict(arrays), tuple(model_config["shape"]))

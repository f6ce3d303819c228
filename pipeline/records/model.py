"""A trained model: preprocessor and network together, so that it takes raw examples.

Convention: its file is an npz of plain arrays. `shift`, `scale` and `matrix` are the preprocessor;
`W1`, `b1`, `W2`, ... and `activations` are the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.files import npz_bytes, parse_npz
from pipeline.data.catalogue import Data, dataset_of
from pipeline.data.preprocessing import AffineMap
from pipeline.engine.descent import pre_activations
from pipeline.engine.inputs import inputs_of
from pipeline.network.activations import Array
from pipeline.network.dense import Layer, Network, parameters

Arrays = Mapping[str, NDArray[Any]]


class Model(NamedTuple):
    """A preprocessor, and the network trained on its output."""

    preprocessor: AffineMap
    network: Network

    def pre_activations(self, raw: NDArray[Any]) -> Array:
        """Return the last layer's H_bar for pixels or features of shape (N, n): shape (N, m)."""
        dtype = self.network.layers[0].W.dtype
        return pre_activations(self.network, inputs_of(self.preprocessor, raw, dtype))

    def on_pixels(self) -> tuple[Layer, ...]:
        """Return the layers in float64, with preprocessing folded into the first one.

        So they take raw pixels; an empty pixel is 0.
        """
        first, *rest = (Layer(W.astype(np.float64), b) for W, b in self.network.layers)
        fitted = self.preprocessor
        W = first.W if fitted.matrix is None else first.W @ fitted.matrix.T
        W = W * fitted.scale
        return Layer(W, first.b - W @ np.broadcast_to(fitted.shift, W.shape[1])), *rest

    def predict(self, raw: NDArray[Any]) -> NDArray[np.int64]:
        """Return the predicted class of each of N examples, shape (N, n): shape (N,)."""
        return self.pre_activations(raw).argmax(axis=1)


def network_arrays(network: Network) -> dict[str, NDArray[Any]]:
    """Return the arrays that a file holds of a network."""
    return {**parameters(network), "activations": np.array(network.activations)}


def network_of(arrays: Arrays) -> Network:
    """Return the network of which `network_arrays` returned `arrays`."""
    return Network(layers_of(arrays), tuple(map(str, arrays["activations"])))


def layers_of(arrays: Arrays, prefix: str = "") -> tuple[Layer, ...]:
    """Return the layers of arrays called `<prefix>W1`, `<prefix>b1`, `<prefix>W2`, ..."""
    count = sum(name.startswith(f"{prefix}W") for name in arrays)
    numbers = range(1, count + 1)
    return tuple(Layer(arrays[f"{prefix}W{n}"], arrays[f"{prefix}b{n}"]) for n in numbers)


def model_bytes(model: Model) -> bytes:
    """Return the content of a model's file."""
    return npz_bytes({**model.preprocessor.arrays(), **network_arrays(model.network)})


def parse_model(content: bytes, experiment: Mapping[str, Any], *, name: str) -> Model:
    """Return the model of a file's content, which is not trusted.

    Args:
        content: of the file.
        experiment: determines the arrays' names, shapes and types.
        name: of the file, for messages.

    Raises:
        UserError: the content is no model, or one of another experiment.
    """
    arrays = parse_npz(content, name=name)
    network, data = experiment["network"], dataset_of(Data(**experiment["data"]))
    inputs = arrays["matrix"].shape[-1:] if "matrix" in arrays else (data.features,)
    sizes = [*inputs, *network["hidden"], data.classes]
    per_pixel = ((), (data.features,))
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {"shift": per_pixel, "scale": per_pixel}
    if "matrix" in arrays:
        shapes["matrix"] = ((data.features, *inputs),)
    preprocessing = set(shapes)
    for number, (n, m) in enumerate(pairwise(sizes), start=1):
        shapes |= {f"W{number}": ((m, n),), f"b{number}": ((m,),)}
    if arrays.keys() != {*shapes, "activations"}:
        raise UserError(f"{name}: its arrays are {sorted(arrays)}; expected are {sorted(shapes)}")
    for key, allowed in shapes.items():
        array = arrays[key]
        dtype = "float64" if key in preprocessing else experiment["training"]["dtype"]
        if array.dtype != dtype or array.shape not in allowed or not np.isfinite(array).all():
            raise UserError(
                f"{name}: {key} is {array.dtype} of shape {array.shape}: allowed are finite "
                f"numbers, {dtype} of shape {' or '.join(map(str, allowed))}"
            )
    activations = [*[network["activation"]] * len(network["hidden"]), network["output"]]
    if arrays["activations"].tolist() != activations:
        raise UserError(f"{name}: activations differ from {activations}")
    return Model(AffineMap.from_arrays(arrays), network_of(arrays))

"""A trained model: preprocessor and network together, so that it takes raw pixels.

Convention: its file is an npz of plain arrays; `shift`, `scale` and `matrix` preprocess, `W1`,
`b1`, `W2`, ... and `activations` are the network.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.files import npz_bytes, parse_npz
from pipeline.data.preprocessing import AffineMap
from pipeline.engine.descent import outputs, pre_activations
from pipeline.engine.inputs import inputs_of
from pipeline.network.activations import ACTIVATIONS, Array
from pipeline.network.dense import Layer, Network, parameters


class Model(NamedTuple):
    """A preprocessor and the network trained behind it."""

    preprocessor: AffineMap
    network: Network

    def pre_activations(self, pixels: NDArray[np.uint8]) -> Array:
        """Return the last layer's H_bar for raw pixels of shape (N, n): shape (N, m)."""
        dtype = self.network.layers[0].W.dtype
        return pre_activations(self.network, inputs_of(self.preprocessor, pixels, dtype))

    def outputs(self, pixels: NDArray[np.uint8]) -> Array:
        """Return the network's outputs for raw pixels of shape (N, n): shape (N, m)."""
        return outputs(self.pre_activations(pixels), self.network.activations[-1])

    def on_pixels(self) -> tuple[Layer, ...]:
        """Return the layers in float64, with preprocessing folded into the first one.

        So it takes raw pixels, of which an empty one is 0.
        """
        first, *rest = (Layer(W.astype(np.float64), b) for W, b in self.network.layers)
        fitted = self.preprocessor
        W = first.W if fitted.matrix is None else first.W @ fitted.matrix.T
        W = W * fitted.scale
        return Layer(W, first.b - W @ np.broadcast_to(fitted.shift, W.shape[1])), *rest

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the digit that each image most looks like: shape (N,)."""
        return self.pre_activations(pixels).argmax(axis=1)


def network_arrays(network: Network) -> dict[str, NDArray[Any]]:
    """Return what a file has to hold of a network."""
    return {**parameters(network), "activations": np.array(network.activations)}


def network_from_arrays(arrays: dict[str, NDArray[Any]], name: str) -> Network:
    """Return the network that `arrays` describes.

    Raises:
        UserError: it is none: an array is missing, shapes do not fit each other, a function is
            unknown, a number is not finite; `name` is in the message.
    """
    try:
        named = arrays["activations"]
        if named.ndim != 1 or named.dtype.kind != "U" or len(named) > len(arrays):
            raise UserError(f"{name}: activations must be a few names")
        activations = tuple(str(entry) for entry in named)
        layers = tuple(
            Layer(arrays[f"W{number}"], arrays[f"b{number}"])
            for number in range(1, len(activations) + 1)
        )
    except KeyError as error:
        raise UserError(f"{name}: array {error} is missing") from None
    unknown = set(activations) - ACTIVATIONS.keys()
    if unknown or not layers:
        raise UserError(f"{name}: activations are {list(activations)}, some of {list(ACTIVATIONS)}")
    dtype = layers[0].W.dtype
    for number, layer in enumerate(layers, start=1):
        if layer.W.ndim != 2 or layer.b.ndim != 1:
            raise UserError(f"{name}: W{number} must be a matrix and b{number} a vector")
        fan_in = layers[number - 2].W.shape[0] if number > 1 else layer.W.shape[1]
        if layer.W.shape != (len(layer.b), fan_in):
            raise UserError(
                f"{name}: W{number} has shape {layer.W.shape}, b{number} or the layer "
                f"before it wants {(len(layer.b), fan_in)}"
            )
        for array in layer:
            if array.dtype != dtype or dtype not in (np.float32, np.float64):
                raise UserError(f"{name}: layer {number} is not of one floating-point type")
            if not np.isfinite(array).all():
                raise UserError(f"{name}: layer {number} holds numbers that are not finite")
    return Network(layers, activations)


def model_bytes(model: Model) -> bytes:
    """Return the file of a model."""
    return npz_bytes({**model.preprocessor.arrays(), **network_arrays(model.network)})


def parse_model(content: bytes, *, name: str) -> Model:
    """Return the model of a file's content.

    Raises:
        UserError: the content is no model; `name` is in its text.
    """
    arrays = parse_npz(content, name=name)
    network = network_from_arrays(arrays, name)
    preprocessor = _preprocessor(arrays, network.layers[0].W.shape[1], name)
    return Model(preprocessor, network)


def _preprocessor(arrays: dict[str, NDArray[Any]], inputs: int, name: str) -> AffineMap:
    """Return the preprocessor of `arrays`, if it gives the network its `inputs`."""
    try:
        fitted = AffineMap.from_arrays(arrays)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    matrix = fitted.matrix
    pixels, gives = (inputs, inputs) if matrix is None else matrix.shape
    for key, array in fitted.arrays().items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise UserError(f"{name}: preprocessor: {key} must hold finite numbers in float64")
        if key != "matrix" and array.shape not in ((), (pixels,)):
            raise UserError(f"{name}: preprocessor: {key} has shape {array.shape}")
    if gives != inputs:
        raise UserError(f"{name}: the preprocessor gives {gives} inputs, W1 takes {inputs}")
    return fitted

"""Packs networks as 16-bit integers for the page, and selects its test images.

Convention: the first layer includes preprocessing, so that a packed network takes raw pixels, and
an empty pixel is 0. A layer's W, transposed to (n, m), is stored as integers times a scale per
neuron and a scale per input. Without the latter, whitening's large weights of rare pixels would
leave few digits for all others.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network.dense import Layer, Network, forward

LARGEST = np.iinfo(np.int16).max
DISPUTED = 10  # at most so many test images on which the networks disagree
# Ranges of a network's largest output begin here.
SURE = (-np.inf, 0.5, 0.9, 0.99, 0.999)
FEWEST = 10  # images that a share needs


class PackedLayer(NamedTuple):
    """W[i, j] = integers[j, i] · per_neuron[i] · per_input[j], and b.

    Attributes:
        integers: shape (n, m).
        per_neuron: shape (m,).
        per_input: shape (n,).
        b: shape (m,).
    """

    integers: NDArray[np.int16]
    per_neuron: NDArray[np.float64]
    per_input: NDArray[np.float64]
    b: NDArray[np.float64]

    def unpacked(self) -> Layer:
        """Return the layer as the page computes with it."""
        return Layer(self.integers.T * self.per_neuron[:, np.newaxis] * self.per_input, self.b)

    def embedded(self) -> dict[str, str]:
        """Return its arrays as the page holds them, little-endian, in base64."""
        return {name: embedded(array) for name, array in self._asdict().items()}


def embedded(array: NDArray[Any]) -> str:
    """Return the bytes of an array, little-endian, in base64."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def packed(layer: Layer) -> PackedLayer:
    """Return a layer as 16-bit integers."""
    per_input = _nonzero(np.abs(layer.W).max(axis=0))
    W = layer.W / per_input
    per_neuron = _nonzero(np.abs(W).max(axis=1)) / LARGEST
    integers = np.rint(W / per_neuron[:, np.newaxis]).astype(np.int16)
    return PackedLayer(integers.T, per_neuron, per_input, layer.b.astype(np.float64))


def _nonzero(largest: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(largest > 0, largest, 1.0)


def predicted(
    layers: list[PackedLayer], activations: tuple[str, ...], pixels: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Return the classes, shape (N,), that a network predicts for raw pixels, shape (N, n)."""
    network = Network(tuple(layer.unpacked() for layer in layers), activations)
    return forward(network, pixels.astype(np.float64)).pre_activations[-1].argmax(axis=1)


def chosen(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.int64]
) -> tuple[list[int], list[int]]:
    """Return example images, and those that most networks get wrong, worst first.

    Args:
        labels: shape (N,).
        predicted: every network's answers, shape (networks, N).

    The examples are the first image of each class that all networks get right, then `DISPUTED`
    images on which the networks disagree most.
    """
    right = np.sum(predicted == labels, axis=0)
    unanimous = np.flatnonzero(right == len(predicted))
    _, first = np.unique(labels[unanimous], return_index=True)
    votes = np.stack([np.sum(predicted == number, axis=0) for number in np.unique(predicted)])
    strongest = votes.max(axis=0)
    disputed = np.flatnonzero(strongest < len(predicted))
    disputed = disputed[np.argsort(strongest[disputed], kind="stable")][:DISPUTED]
    wrong = np.flatnonzero(right * 2 < len(predicted))
    wrong = wrong[np.argsort(right[wrong], kind="stable")]
    return [*unanimous[first].tolist(), *disputed.tolist()], wrong.tolist()


def sureness(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_]
) -> list[dict[str, float | None]]:
    """Return, for each range of the largest output, the share of right answers.

    Args:
        confidence: the largest output, shape (N,).
        right: whether the answer is right, shape (N,).
    """
    ranges = np.searchsorted(SURE, confidence, side="right") - 1
    shares: list[dict[str, float | None]] = []
    for number, start in enumerate(SURE):
        inside = right[ranges == number]
        share = float(inside.mean()) if len(inside) >= FEWEST else None
        shares.append({"from": start if number else None, "right": share})
    return shares

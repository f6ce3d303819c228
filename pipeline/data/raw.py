"""Reads the files of a data set, and checks their hashes, shapes and values."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.files import parse_npz, sha256
from pipeline.base.paths import Paths
from pipeline.data.catalogue import DATASETS, Dataset, is_npz
from pipeline.data.idx import parse_idx, unpack


class Examples(NamedTuple):
    """The examples of a file.

    Attributes:
        raw: 8-bit pixels, or features in floating point, shape (N, n).
        labels: from 0 to the number of classes − 1, shape (N,).
    """

    raw: NDArray[Any]
    labels: NDArray[np.uint8]


def read_examples(dataset: Dataset, paths: Paths, part: str) -> Examples:
    """Return the examples of a part of a data set, from `data/raw`.

    Args:
        dataset: which data set.
        paths: of the checkout.
        part: "train" or "test".

    Raises:
        UserError: a file is missing or damaged, or does not have the declared shape or classes.
    """
    name, inputs = _array(dataset, paths, part, "x")
    raw, labels = _raw(inputs, dataset, name), read_labels(dataset, paths, part)
    if len(raw) != len(labels):
        raise UserError(f"{name} holds {len(raw)} examples, but there are {len(labels)} labels")
    return Examples(raw, labels)


def read_labels(dataset: Dataset, paths: Paths, part: str) -> NDArray[np.uint8]:
    """Return the labels alone; see `read_examples`."""
    name, labels = _array(dataset, paths, part, "y")
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise UserError(
            f"{name}: {labels.dtype} of shape {labels.shape}; allowed is a whole number per example"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= dataset.classes))
    if len(wrong):
        raise UserError(
            f"{name}: label {wrong[0]} is {labels[wrong[0]]}; allowed is 0 to {dataset.classes - 1}"
        )
    return labels.astype(np.uint8)


def _array(dataset: Dataset, paths: Paths, part: str, letter: str) -> tuple[str, NDArray[Any]]:
    """Return the name and values of a part's inputs (x) or labels (y)."""
    inputs, labels = dataset.files_of(part)
    file = labels if letter == "y" else inputs
    content = _content(dataset, paths, file)
    if not is_npz(file):
        return file, parse_idx(content, name=file)
    name, arrays = f"{letter}_{part}", parse_npz(content, name=file)
    if name not in arrays:
        raise UserError(f"{file}: array {name} is missing; there is {', '.join(arrays)}")
    return name, arrays[name]


def _content(dataset: Dataset, paths: Paths, name: str) -> bytes:
    path, expected = paths.raw(dataset.name) / name, dataset.files[name]
    choice = f" data={dataset.name}" if dataset.name in DATASETS else ""
    remedy = f"`pipeline download{choice}` gets it"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {remedy}") from None
    if sha256(content) != expected:
        raise UserError(
            f"{path}: SHA-256 expected {expected}, got {sha256(content)}; delete it and {remedy}"
        )
    return unpack(content, name=str(path)) if name.endswith(".gz") else content


def _raw(inputs: NDArray[Any], dataset: Dataset, name: str) -> NDArray[Any]:
    """Return inputs as a matrix: 8-bit numbers unchanged, all others as float64."""
    each = inputs.shape[1:]
    other_image = len(each) == 2 and dataset.image_shape not in (None, each)
    if math.prod(each) != dataset.features or other_image:
        raise UserError(
            f"{name}: examples of shape {list(each)}; allowed is data.shape = {dataset.shape}, or "
            f"[{dataset.features}]"
        )
    if dataset.image_shape is not None and inputs.dtype != np.uint8:
        raise UserError(f"{name}: {inputs.dtype}; allowed are pixels from 0 to 255, as uint8")
    if inputs.dtype.kind not in "uif" or not np.isfinite(inputs).all():
        raise UserError(f"{name}: {inputs.dtype}, or not finite; allowed are finite numbers")
    raw = inputs.reshape(len(inputs), dataset.features)
    return raw if raw.dtype == np.uint8 else raw.astype(np.float64)

"""Reads the files of a data set, and checks their hashes, shapes and values."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.files import parse_npz, sha256
from pipeline.base.paths import Paths
from pipeline.data.catalogue import DATASETS, Dataset, is_npz, role
from pipeline.data.idx import parse_idx, unpack

# The largest feature: far below float32's limit of 3.4e38, which its standardised value must not
# pass either; see `preprocessing.SMALLEST_DEVIATION`.
LARGEST = 1e19


class Examples(NamedTuple):
    """The examples of a part of a data set.

    Attributes:
        raw: 8-bit pixels, or features in floating point, shape (N, n).
        labels: from 0 to the number of classes − 1, shape (N,).
    """

    raw: NDArray[Any]
    labels: NDArray[np.uint8]


def read_examples(dataset: Dataset, paths: Paths) -> dict[str, Examples]:
    """Return the examples of both parts of a data set, "train" and "test", from `data/raw`.

    Raises:
        UserError: a file is missing or damaged, or does not have the declared shape or classes.
    """
    arrays: dict[str, tuple[str, NDArray[Any]]] = {}
    for file in dataset.files:
        content = _content(dataset, paths, file)
        if is_npz(file):
            held = parse_npz(content, name=file)
            arrays |= {name: (f"{name} of {file}", array) for name, array in held.items()}
        else:
            arrays[role(file)] = (file, parse_idx(content, name=file))
    return {part: _examples(dataset, arrays, part) for part in ("train", "test")}


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


def _examples(dataset: Dataset, arrays: dict[str, tuple[str, NDArray[Any]]], part: str) -> Examples:
    for name in (f"x_{part}", f"y_{part}"):
        if name not in arrays:
            files, others = ", ".join(dataset.files), ", ".join(arrays)
            raise UserError(f"{files}: array {name} is missing; there is {others}")
    inputs, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
    examples = Examples(_raw(dataset, *inputs), _labels(dataset, *labels))
    if len(examples.raw) != len(examples.labels):
        raise UserError(
            f"{inputs[0]} holds {len(examples.raw)} examples, but there are "
            f"{len(examples.labels)} labels"
        )
    return examples


def _raw(dataset: Dataset, name: str, inputs: NDArray[Any]) -> NDArray[Any]:
    """Return inputs as a matrix: 8-bit numbers unchanged, all others as float64."""
    each = inputs.shape[1:]
    other_image = len(each) == 2 and dataset.image_shape not in (None, each)
    if inputs.ndim == 0 or math.prod(each) != dataset.features or other_image:
        flat = f", or [{dataset.features}]" if dataset.image_shape else ""
        raise UserError(
            f"{name}: examples of shape {list(each)}; allowed is data.shape = {dataset.shape}{flat}"
        )
    if dataset.image_shape is not None and inputs.dtype != np.uint8:
        raise UserError(f"{name}: {inputs.dtype}; allowed are pixels from 0 to 255, as uint8")
    raw = inputs.reshape(len(inputs), dataset.features)
    if raw.dtype == np.uint8:
        return raw
    if raw.dtype.kind not in "uif":
        raise UserError(f"{name}: {raw.dtype}; allowed are numbers")
    with np.errstate(over="ignore"):  # a larger floating-point type may become infinite
        raw = raw.astype(np.float64)
    wrong = np.argwhere(~(np.abs(raw) <= LARGEST))  # NaN, too
    if len(wrong):
        row, column = wrong[0]
        raise UserError(
            f"{name}: feature {column} of example {row} is {raw[row, column]}; allowed is a "
            f"number from -{LARGEST:g} to {LARGEST:g}"
        )
    return raw


def _labels(dataset: Dataset, name: str, labels: NDArray[Any]) -> NDArray[np.uint8]:
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

"""Splits the training file into training and validation examples.

Convention: indices are sorted and count the examples of the training file from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError, refuse
from pipeline.base.files import sha256
from pipeline.network.settings import SEED, one_of, whole

Labels = NDArray[np.integer[Any]]
Indices = NDArray[np.uint32]


class SplitIndices(NamedTuple):
    """Indices into the training file, each sorted, dtype uint32."""

    train: Indices
    validation: Indices

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Indices]) -> SplitIndices:
        """Return the split that was saved.

        Raises:
            UserError: an example is in both parts.
        """
        indices = cls(arrays["train"], arrays["validation"])
        both = np.intersect1d(*indices)
        if len(both):
            raise UserError(
                f"{len(both)} examples are in both the training and the validation set, such as "
                f"number {both[0]}"
            )
        return indices

    def digest(self) -> str:
        """Return the SHA-256 of the indices, as little-endian 32-bit numbers, train first."""
        return sha256(b"".join(part.astype("<u4").tobytes() for part in self))


def stratified(labels: Labels, train: int, validation: int, seed: int) -> tuple[Indices, Indices]:
    """Draw at random, with the same share of each class in both parts."""
    from sklearn.model_selection import train_test_split

    classes = len(np.unique(labels))
    for name, size in (("train", train), ("validation", validation)):
        if size < classes:
            enough = f"{classes} or more, one of each class, or split.method = first"
            refuse(f"split.{name}", size, enough)
    try:
        drawn = train_test_split(
            np.arange(len(labels), dtype=np.uint32),
            train_size=train,
            test_size=validation,
            stratify=labels,
            random_state=seed,
        )
    except ValueError as error:
        raise UserError(f"split.method = stratified: {error}", "split.method") from None
    return np.sort(drawn[0]), np.sort(drawn[1])


def first(labels: Labels, train: int, validation: int, seed: int) -> tuple[Indices, Indices]:
    """Take the first examples for validation and the next ones for training."""
    indices = np.arange(validation + train, dtype=np.uint32)
    return indices[validation:], indices[:validation]


METHODS: dict[str, Callable[[Labels, int, int, int], tuple[Indices, Indices]]] = {
    "stratified": stratified,
    "first": first,
}
EXAMPLES = whole(1, 10**9)


@dataclass(kw_only=True)
class Split:
    """Numbers of training, validation and test examples, and how they are drawn."""

    train: int = field(metadata=EXAMPLES)
    validation: int = field(metadata=EXAMPLES)
    test: int = field(metadata=EXAMPLES)
    method: str = field(metadata=one_of(METHODS))
    seed: int = field(metadata=SEED)


def draw(labels: Labels, split: Split) -> SplitIndices:
    """Divide the training file.

    Args:
        labels: of the training file, shape (N,).
        split: sizes, method and seed.

    Raises:
        UserError: there are too few examples, in all or of one class.
    """
    wanted = split.train + split.validation
    if wanted > len(labels):
        raise UserError(
            f"split.train + split.validation = {split.train} + {split.validation} = {wanted}: "
            f"the training file holds {len(labels)} examples",
            "split.train",
        )
    drawn = METHODS[split.method](labels, split.train, split.validation, split.seed)
    return SplitIndices(*drawn)

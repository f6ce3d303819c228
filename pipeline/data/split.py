"""Which images train and which validate.

Convention: indices count the images of the training file from 0 and are sorted; the test file
is left alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.files import sha256

METHODS = ("stratified", "first")


class SplitIndices(NamedTuple):
    """Indices into the training file, each sorted, dtype uint32."""

    train: NDArray[np.uint32]
    validation: NDArray[np.uint32]


def draw(
    labels: NDArray[np.integer[Any]], *, train: int, validation: int, method: str, seed: int
) -> SplitIndices:
    """Divide the training file.

    Args:
        labels: of the training file, shape (N,).
        train: how many images train.
        validation: how many validate.
        method: "stratified", a seeded draw that keeps the shares of the classes, or "first":
            the first images validate, the next ones train.
        seed: of the stratified draw.

    Raises:
        UserError: there are not enough images, or a class has too few to be drawn from.
    """
    if train + validation > len(labels):
        raise UserError(
            f"split.train + split.validation = {train + validation}: "
            f"the training file holds {len(labels)} images"
        )
    if method == "first":
        indices = SplitIndices(
            np.arange(validation, validation + train, dtype=np.uint32),
            np.arange(validation, dtype=np.uint32),
        )
    else:
        from sklearn.model_selection import train_test_split

        try:
            drawn = train_test_split(
                np.arange(len(labels), dtype=np.uint32),
                train_size=train,
                test_size=validation,
                stratify=labels,
                random_state=seed,
            )
        except ValueError as error:
            raise UserError(f"split.method = stratified: {error}") from None
        indices = SplitIndices(np.sort(drawn[0]), np.sort(drawn[1]))
    refuse_overlap(indices)
    return indices


def refuse_overlap(indices: SplitIndices) -> None:
    """Check that no image both trains and validates.

    Raises:
        UserError: some do.
    """
    both = np.intersect1d(indices.train, indices.validation)
    if len(both):
        raise UserError(f"{len(both)} images both train and validate, such as number {both[0]}")


def digest(indices: SplitIndices) -> str:
    """Return the SHA-256 of the indices, as little-endian 32-bit numbers, train first."""
    return sha256(b"".join(part.astype("<u4").tobytes() for part in indices))

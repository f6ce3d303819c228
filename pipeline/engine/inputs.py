"""The inputs of training and evaluation; nearly constant pixels are stored as sparse rows.

Convention: most of MNIST's pixels are empty in nearly every image. A pixel is rare if at most a
share `RARE` of the training images differ there from its usual value; the other pixels are
frequent. A frequent pixel's input is x = (pixel − shift) · scale. A rare one's is x = z + e, where
z is the input of the usual value. e is 0 in most images; only its other values, the entries, are
stored. `descent` shows what this saves.

Each pixel has its own usual value, which need not be 0. So z is small for standardised data whether
the background is black or white, and no digits are lost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.data.preprocessing import AffineMap
from pipeline.engine.program import Indices, Matrix, laid_out, matrix, times

# Every result depends on it. Time hardly does: from 0.1 to 0.4 it changes by less than 5 %, since
# more rare pixels save time in products but cost time in entries.
RARE = 0.2
# Entries are added to a weight one by one, each addition rounded. For batches of 50 to 1,000 the
# first layer's rounding error is some four times the readable network's; beyond, it grows.
LARGEST_SPARSE_BATCH = 1000
# Rows processed at a time when examples are made, to save memory.
ROWS = 1000


class Inputs(NamedTuple):
    """N inputs of n features each, f of them frequent; computed from pixels as they are read.

    Attributes:
        X: 8-bit pixels, or numbers, of the frequent features, shape (N, f).
        shift: of them, shape (1, f).
        scale: likewise; a frequent feature's input is (X − shift) · scale.
        frequent: the frequent features, shape (f,).
        rare: the rare ones, ascending too, shape (n − f,).
        z: of the rare ones, shape (n − f, 1).
        sparse: e of the rare ones: where each image's entries start, and the last one's end,
            shape (N + 1,); and the entries, image by image: index of the rare pixel, value.
    """

    X: NDArray[Any]
    shift: Matrix
    scale: Matrix
    frequent: Indices
    rare: Indices
    z: Matrix
    sparse: tuple[Indices, NDArray[Any]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The inputs' dtype."""
        return self.scale.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """N and n."""
        return len(self.X), len(self.frequent) + len(self.rare)


def inputs_of(
    preprocessor: AffineMap, raw: NDArray[Any], dtype: DTypeLike, *, rare: float = 0.0
) -> Inputs:
    """Return the inputs that a preprocessor makes of raw examples.

    From 8-bit pixels without a matrix, inputs are computed whenever they are read. All others are
    computed once: repeated products with the matrix would cost more than the network.

    Args:
        preprocessor: the map.
        raw: pixels or features, shape (N, n).
        dtype: of the inputs.
        rare: the largest share of images in which a rare pixel differs. If it is 0, no pixel is
            rare, and each row depends on no other row of `raw`.
    """
    dtype = np.dtype(dtype)
    shift, scale = (
        np.broadcast_to(each, raw.shape[1]).astype(dtype)
        for each in (preprocessor.shift, preprocessor.scale)
    )
    is_pixels = preprocessor.matrix is None and raw.dtype == np.uint8
    if not is_pixels:
        raw = _computed(preprocessor, raw, dtype)
        shift, scale = np.zeros(raw.shape[1], dtype), np.ones(raw.shape[1], dtype)
    usual, is_rare = np.zeros(raw.shape[1], np.uint8), np.zeros(raw.shape[1], np.bool_)
    if is_pixels and rare > 0:
        # The median of some 1,000 images: the value of most, if most agree.
        sample = np.sort(raw[:: -(-len(raw) // ROWS)], axis=0)
        usual = sample[len(sample) // 2]
        is_rare = np.count_nonzero(raw != usual, axis=0) <= rare * len(raw)
    frequent, others = np.flatnonzero(~is_rare), np.flatnonzero(is_rare)
    X = raw
    if is_pixels:
        X = matrix((len(raw), len(frequent)), np.uint8)
        np.take(raw, frequent, axis=1, out=X, mode="clip")
    z = ((usual[others].astype(dtype) - shift[others]) * scale[others])[:, np.newaxis]
    sparse = _sparse(raw, others, usual[others], scale[others])
    shift, scale = (laid_out(each[np.newaxis, frequent]) for each in (shift, scale))
    return Inputs(X, shift, scale, frequent, others, laid_out(z), sparse)


def _computed(preprocessor: AffineMap, raw: NDArray[Any], dtype: np.dtype[Any]) -> Matrix:
    """Return the inputs as numbers."""
    shift_and_scale = AffineMap(preprocessor.shift, preprocessor.scale)
    rotation = None if preprocessor.matrix is None else laid_out(preprocessor.matrix, dtype)
    inputs = matrix((len(raw), raw.shape[1] if rotation is None else rotation.shape[1]), dtype)
    for start in range(0, len(raw), ROWS):
        rows = slice(start, start + ROWS)
        X = shift_and_scale.apply(raw[rows], dtype)
        inputs[rows] = X if rotation is None else times(X, rotation)
    return inputs


def _sparse(
    pixels: NDArray[Any], rare: Indices, usual: NDArray[np.uint8], scale: NDArray[Any]
) -> tuple[Indices, NDArray[Any]]:
    """Return e = (pixels − usual) · scale of the rare pixels, see `Inputs`."""
    kind = np.dtype([("column", np.uint32), ("value", scale.dtype)])
    parts, counts = [np.zeros(0, kind)], [np.zeros(1, np.int64)]
    for start in range(0, len(pixels), ROWS):
        block = np.take(pixels[start : start + ROWS], rare, axis=1)
        differs = block != usual
        counts.append(np.count_nonzero(differs, axis=1))
        images, columns = np.nonzero(differs)
        part = np.empty(len(columns), kind)
        part["column"] = columns
        difference = block[images, columns].astype(scale.dtype) - usual[columns].astype(scale.dtype)
        part["value"] = difference * scale[columns]
        parts.append(part)
    return np.cumsum(np.concatenate(counts)), np.concatenate(parts)

"""Loads the training, validation and test examples of a configuration.

Convention: a stage's artefact stores the sections of the configuration that it depends on. It is
used only if they equal the current ones; otherwise its content is computed again. So no job reads
data that were prepared under another configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import Config, experiment, located_errors
from pipeline.base.errors import UserError, refuse
from pipeline.base.files import (
    arrays_digest,
    canonical_json,
    npz_bytes,
    parse_npz,
    write_bytes,
)
from pipeline.base.paths import Paths
from pipeline.data.catalogue import dataset_of
from pipeline.data.onehot import one_hot
from pipeline.data.preprocessing import AffineMap, Fitted, fit
from pipeline.data.raw import Examples, read_examples
from pipeline.data.split import SplitIndices, draw

# The sections that the artefacts depend on.
SPLIT = ("data", "split")
PREPROCESS = ("data", "split", "preprocess")


class Part(NamedTuple):
    """Training, validation or test examples.

    Attributes:
        raw: pixels or features as the file has them, shape (N, n).
        labels: shape (N,).
        one_hot: the labels by equation (23), shape (N, classes).
    """

    raw: NDArray[Any]
    labels: NDArray[np.uint8]
    one_hot: NDArray[np.uint8]


class Prepared:
    """The data of a configuration; files are read on first access.

    Access raises `UserError` if a file is missing or damaged, or does not fit the configuration.

    Args:
        config: the configuration.
        paths: of the checkout.
    """

    def __init__(self, config: Config, paths: Paths) -> None:
        self.config, self.paths = config, paths
        self.dataset = dataset_of(config.data)

    @cached_property
    def files(self) -> dict[str, Examples]:
        """All examples of the data set's parts, "train" and "test", used or not."""
        return read_examples(self.dataset, self.paths)

    @property
    def split(self) -> SplitIndices:
        """Indices of the training and validation examples: the split stage's, or drawn here."""
        return self._once(SPLIT, self.paths.split_indices, SplitIndices.from_arrays, self.draw)

    @property
    def preprocessor(self) -> AffineMap:
        """The preprocessor: the preprocess stage's, or fitted here."""
        path, fitted = self.paths.preprocessor, lambda: self.fit().map
        return self._once(PREPROCESS, path, AffineMap.from_arrays, fitted)

    @property
    def preparation(self) -> dict[str, str]:
        """The SHA-256 of split and preprocessor, for a run's identity."""
        return digests(self.split, self.preprocessor)

    @property
    def parts(self) -> dict[str, Part]:
        """The three parts, by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def train(self) -> Part:
        """The training examples."""
        return self._part("train", self.files["train"], self.split.train)

    @cached_property
    def validation(self) -> Part:
        """The validation examples."""
        return self._part("validation", self.files["train"], self.split.validation)

    @cached_property
    def test(self) -> Part:
        """The test examples: the first of the test file."""
        return self._part("test", self.files["test"], slice(self.config.split.test))

    def draw(self) -> SplitIndices:
        """Draw the training and validation examples, after a check of all sizes."""
        wanted, most = self.config.split.test, len(self.files["test"].labels)
        with located_errors(self.config, self.paths):
            if wanted > most:
                refuse("split.test", wanted, f"1 to {most}, the examples of the test file")
            return draw(self.files["train"].labels, self.config.split)

    def fit(self) -> Fitted:
        """Fit the preprocessor to the training examples."""
        with located_errors(self.config, self.paths):
            return fit(self.train.raw, **asdict(self.config.preprocess))

    def save(self, path: Path, sections: tuple[str, ...], arrays: Any) -> None:
        """Write an artefact, and the sections of the configuration that it depends on."""
        content = npz_bytes({**arrays, "made_for": made_for(self.config, sections)})
        write_bytes(path, content)

    def _saved(self, path: Path, sections: tuple[str, ...]) -> dict[str, NDArray[Any]] | None:
        """Return a stage's artefact if it was made for this configuration, else None."""
        if not path.exists():
            return None
        try:
            arrays = parse_npz(path.read_bytes(), name=str(path))
        except UserError as error:
            raise UserError(f"{error}; delete it and run `dvc repro`") from None
        wanted = made_for(self.config, sections)
        return arrays if str(arrays.get("made_for")) == str(wanted) else None

    def _once(
        self,
        sections: tuple[str, ...],
        path: Path,
        parse: Callable[[dict[str, NDArray[Any]]], Kept],
        make: Callable[[], Kept],
    ) -> Kept:
        """Return what a stage has saved, or make it; cached for the configuration's next seed."""
        key = f"{self.paths.root} {made_for(self.config, sections)}"
        kept: Kept | None = _kept.get(key)
        if kept is None:
            stored = self._saved(path, sections)
            kept = make() if stored is None else parse(stored)
            if len(_kept) >= MOST_KEPT:
                _kept.clear()
            _kept[key] = kept
        return kept

    def _part(self, name: str, file: Examples, chosen: Any) -> Part:
        labels = file.labels[chosen]
        vectors = one_hot(labels, self.dataset.classes)
        stored = self._saved(self.paths.labels, SPLIT)
        if stored is not None and not np.array_equal(stored[name], vectors):
            raise UserError(f"{self.paths.labels} holds other labels; `dvc repro` makes it again")
        return Part(file.raw[chosen], labels, vectors)


Kept = TypeVar("Kept")
_kept: dict[str, Any] = {}
# A whitening takes megabytes, and a sweep may have thousands of them.
MOST_KEPT = 16


def digests(split: SplitIndices, preprocessor: AffineMap) -> dict[str, str]:
    """Return the SHA-256 of a split and a preprocessor, by name."""
    return {"split": split.digest(), "preprocessor": arrays_digest(preprocessor.arrays())}


def load(config: Config, paths: Paths) -> Prepared:
    """Return the data of a configuration: `train`, `validation`, `test` and `preprocessor`."""
    return Prepared(config, paths)


def made_for(config: Config, sections: tuple[str, ...]) -> NDArray[Any]:
    """Return the configuration that an artefact depends on, as text."""
    whole = experiment(config)
    chosen = {section: whole[section] for section in sections}
    chosen["files"] = dict(dataset_of(config.data).files)
    return np.array(canonical_json(chosen).decode())

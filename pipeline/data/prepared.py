"""Everything a training job reads, ready in memory.

Convention: a stage's artefact carries the part of the configuration it was made for, and is read
only for that very configuration. Otherwise the same functions make it anew, so no job can read
data prepared under another configuration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import Config, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import arrays_digest, canonical_json, read_npz, sha256
from pipeline.base.paths import Paths
from pipeline.data.catalogue import DATASETS, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from pipeline.data.idx import parse_images, parse_labels, unpack
from pipeline.data.onehot import one_hot
from pipeline.data.preprocessing import AffineMap, Fitted, fit
from pipeline.data.split import SplitIndices, digest, draw, refuse_overlap

Pixels = NDArray[np.uint8]
Labels = NDArray[np.uint8]


class Images(NamedTuple):
    """Raw pixels of shape (N, n), and labels of shape (N,)."""

    pixels: Pixels
    labels: Labels


class Prepared(NamedTuple):
    """What a training job needs."""

    train: Images
    validation: Images
    train_one_hot: NDArray[np.uint8]
    validation_one_hot: NDArray[np.uint8]
    preprocessor: AffineMap


# --- the raw files ---


def _content(paths: Paths, dataset: str, name: str) -> bytes:
    files = DATASETS[dataset].files
    packed = name not in files
    stored = f"{name}.gz" if packed else name
    path = paths.raw(dataset) / stored
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing; `python -m pipeline.stages.download data={dataset}` gets it"
        ) from None
    if sha256(content) != files[stored]:
        raise UserError(
            f"{path}: SHA-256 expected {files[stored]}, got {sha256(content)}; delete it and run "
            f"`python -m pipeline.stages.download data={dataset}`"
        )
    return unpack(content, name=str(path)) if packed else content


def training_file(paths: Paths, dataset: str) -> Images:
    """Read the training file, checked against its hash.

    Raises:
        UserError: a file is missing, damaged, or no IDX file.
    """
    return _images(paths, dataset, TRAIN_IMAGES, TRAIN_LABELS)


def test_file(paths: Paths, dataset: str) -> Images:
    """Read the test file, checked against its hash; see `training_file`."""
    return _images(paths, dataset, TEST_IMAGES, TEST_LABELS)


def _images(paths: Paths, dataset: str, images: str, labels: str) -> Images:
    found = Images(
        parse_images(_content(paths, dataset, images), name=images),
        _labels(paths, dataset, labels),
    )
    if len(found.pixels) != len(found.labels):
        raise UserError(
            f"{images} holds {len(found.pixels)} images, {labels} {len(found.labels)} labels"
        )
    return found


def training_labels(paths: Paths, dataset: str) -> Labels:
    """Read the training file's labels alone."""
    return _labels(paths, dataset, TRAIN_LABELS)


def test_labels(paths: Paths, dataset: str) -> Labels:
    """Read the test file's labels alone."""
    return _labels(paths, dataset, TEST_LABELS)


def _labels(paths: Paths, dataset: str, name: str) -> Labels:
    content = _content(paths, dataset, name)
    return parse_labels(content, name=name, classes=DATASETS[dataset].classes)


# --- what the stages make ---


def made_for(config: Config, *sections: str) -> NDArray[Any]:
    """Return the mark an artefact carries: the configuration that it depends on, as text."""
    whole = experiment(config)
    chosen = {section: whole[section] for section in sections}
    chosen["files"] = dict(DATASETS[config.data.name].files)
    return np.array(canonical_json(chosen).decode())


SPLIT_SECTIONS = ("data", "split")
PREPROCESS_SECTIONS = ("data", "split", "preprocess")


def make_split(config: Config, labels: Labels) -> SplitIndices:
    """Draw the split that `config` asks for."""
    split = config.split
    return draw(
        labels,
        train=split.train,
        validation=split.validation,
        method=split.method,
        seed=split.seed,
    )


def split_arrays(config: Config, indices: SplitIndices) -> dict[str, NDArray[Any]]:
    """Return the content of the split's file."""
    return {
        "train": indices.train,
        "validation": indices.validation,
        "made_for": made_for(config, *SPLIT_SECTIONS),
    }


def make_preprocessor(config: Config, pixels: Pixels) -> Fitted:
    """Fit the preprocessor that `config` asks for to the training images."""
    preprocess = config.preprocess
    return fit(
        pixels,
        method=preprocess.method,
        statistics=preprocess.statistics,
        rotation=preprocess.rotation,
        epsilon=preprocess.epsilon,
    )


def preprocessor_arrays(config: Config, found: AffineMap) -> dict[str, NDArray[Any]]:
    """Return the content of the preprocessor's file."""
    return {**found.arrays(), "made_for": made_for(config, *PREPROCESS_SECTIONS)}


def labels_arrays(
    config: Config, train: Labels, validation: Labels, test: Labels
) -> dict[str, NDArray[Any]]:
    """Return the content of the one-hot labels' file: equation (23) for each part."""
    classes = DATASETS[config.data.name].classes
    return {
        "train": one_hot(train, classes),
        "validation": one_hot(validation, classes),
        "test": one_hot(test, classes),
        "made_for": made_for(config, *SPLIT_SECTIONS),
    }


# --- reading them back ---


def _artefact(config: Config, path: Any, *sections: str) -> dict[str, NDArray[Any]] | None:
    """Return a stage's artefact if it was made for `config`, else None."""
    if not path.exists():
        return None
    arrays = read_npz(path)
    return arrays if str(arrays.get("made_for")) == str(made_for(config, *sections)) else None


def split_for(config: Config, paths: Paths, labels: Labels) -> SplitIndices:
    """Return the split of `config`: the split stage's if it made just that, else drawn here."""
    stored = _artefact(config, paths.split_indices, *SPLIT_SECTIONS)
    if stored is None:
        return make_split(config, labels)
    indices = SplitIndices(stored["train"], stored["validation"])
    refuse_overlap(indices)
    return indices


def test_one_hot(config: Config, paths: Paths) -> NDArray[np.uint8]:
    """Return the test images' labels as the encode stage made them, or made anew."""
    stored = _artefact(config, paths.labels, *SPLIT_SECTIONS)
    if stored is not None:
        return stored["test"]
    labels = test_labels(paths, config.data.name)[: config.split.test]
    return one_hot(labels, DATASETS[config.data.name].classes)


class Preparation(NamedTuple):
    """What the stages before training decide."""

    split: SplitIndices
    preprocessor: AffineMap

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each, as they are part of a run's identity."""
        return {
            "split": digest(self.split),
            "preprocessor": arrays_digest(self.preprocessor.arrays()),
        }


def preparation(config: Config, paths: Paths) -> Preparation:
    """Return split and preprocessor of `config`: the stages', or made here if they made others.

    Kept for the next seed of the same configuration.

    Raises:
        UserError: a file is missing or damaged.
    """
    key = f"{paths.root} {made_for(config, *PREPROCESS_SECTIONS)}"
    if key not in _preparations:
        indices = split_for(config, paths, training_labels(paths, config.data.name))
        stored = _artefact(config, paths.preprocessor, *PREPROCESS_SECTIONS)
        if stored is None:
            pixels = training_file(paths, config.data.name).pixels
            preprocessor = make_preprocessor(config, pixels[indices.train]).map
        else:
            preprocessor = AffineMap.from_arrays(stored)
        _preparations[key] = Preparation(indices, preprocessor)
    return _preparations[key]


_preparations: dict[str, Preparation] = {}


def prepare(config: Config, paths: Paths) -> Prepared:
    """Return what training under `config` reads.

    Raises:
        UserError: a file is missing or damaged.
    """
    images = training_file(paths, config.data.name)
    indices, preprocessor = preparation(config, paths)
    train = Images(images.pixels[indices.train], images.labels[indices.train])
    validation = Images(images.pixels[indices.validation], images.labels[indices.validation])
    stored = _artefact(config, paths.labels, *SPLIT_SECTIONS)
    classes = DATASETS[config.data.name].classes
    encoded = [one_hot(part.labels, classes) for part in (train, validation)]
    for name, vectors in zip(("train", "validation"), encoded, strict=True):
        if stored is not None and not np.array_equal(stored[name], vectors):
            raise UserError(f"{paths.labels} holds other labels; `dvc repro` makes it again")
    return Prepared(train, validation, encoded[0], encoded[1], preprocessor)

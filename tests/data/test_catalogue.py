"""The catalogue's entries, as far as they can be checked without a network."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.paths import Paths
from pipeline.data.catalogue import DATASETS, MNIST_FILES
from pipeline.data.raw import read_examples
from pipeline.data.sources import obtain


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_four_files_known_by_their_hash(name: str) -> None:
    dataset = DATASETS[name]
    assert tuple(name.removesuffix(".gz") for name in dataset.files) == MNIST_FILES
    assert all(len(digest) == 64 and int(digest, 16) for digest in dataset.files.values())
    assert [*dataset.files_of("train"), *dataset.files_of("test")] == list(dataset.files)
    assert len(set(dataset.class_names)) == dataset.classes == 10


def test_all_files_differ() -> None:
    digests = [digest for dataset in DATASETS.values() for digest in dataset.files.values()]
    assert len(set(digests)) == 16


def test_the_embedded_digits_are_scikit_learns(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    paths, dataset = Paths(tmp_path), DATASETS["digits"]
    obtain(dataset, paths)
    train, test = (read_examples(dataset, paths)[part] for part in ("train", "test"))
    assert train.raw.shape == (1437, dataset.features)
    assert test.raw.shape == (360, dataset.features)
    digits = load_digits()
    both = np.concatenate([train.raw, test.raw])
    np.testing.assert_allclose(both * (16 / 255), digits.data, atol=0.04)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), digits.target)

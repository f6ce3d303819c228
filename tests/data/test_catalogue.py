"""The catalogue is what it says, as far as can be seen from here."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.paths import Paths
from pipeline.data import prepared
from pipeline.data.catalogue import DATASETS, TEST_IMAGES, TRAIN_IMAGES
from pipeline.data.sources import obtain


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_four_files_known_by_their_hash(name: str) -> None:
    files = DATASETS[name].files
    assert [name.removesuffix(".gz") for name in files] == list(DATASETS["mnist"].files)
    assert all(len(digest) == 64 and int(digest, 16) for digest in files.values())


def test_all_files_differ() -> None:
    digests = [digest for dataset in DATASETS.values() for digest in dataset.files.values()]
    assert len(set(digests)) == 16


def test_the_embedded_digits_are_scikit_learns(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    paths, dataset = Paths(tmp_path), DATASETS["digits"]
    obtain(dataset, paths)
    train = prepared.training_file(paths, "digits")
    test = prepared.test_file(paths, "digits")
    assert train.pixels.shape == (dataset.train_images, dataset.features)
    assert test.pixels.shape == (dataset.test_images, dataset.features)
    digits = load_digits()
    both = np.concatenate([train.pixels, test.pixels])
    np.testing.assert_allclose(both * (16 / 255), digits.data, atol=0.04)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), digits.target)
    assert {TRAIN_IMAGES, TEST_IMAGES} < set(dataset.files)

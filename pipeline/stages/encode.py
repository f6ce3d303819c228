"""Stage `encode`: labels as one-hot vectors, equation (23)."""

from __future__ import annotations

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_npz
from pipeline.base.paths import Paths
from pipeline.data import prepared


def encode(config: Config, paths: Paths) -> None:
    """Write the one-hot labels of training, validation and test images."""
    labels = prepared.training_labels(paths, config.data.name)
    test_labels = prepared.test_labels(paths, config.data.name)[: config.split.test]
    indices = prepared.split_for(config, paths, labels)
    arrays = prepared.labels_arrays(
        config, labels[indices.train], labels[indices.validation], test_labels
    )
    write_npz(paths.labels, arrays)


if __name__ == "__main__":
    run(encode)

"""Stage `encode`: labels as one-hot vectors, equation (23)."""

from __future__ import annotations

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.onehot import one_hot
from pipeline.data.prepared import SPLIT, load


def encode(config: Config, paths: Paths) -> None:
    """Write the one-hot labels of training, validation and test examples."""
    data = load(config, paths)
    labels, split = data.labels("train"), data.split
    parts = {
        "train": labels[split.train],
        "validation": labels[split.validation],
        "test": data.labels("test")[: config.split.test],
    }
    classes = data.dataset.classes
    data.save(paths.labels, SPLIT, {name: one_hot(each, classes) for name, each in parts.items()})


if __name__ == "__main__":
    run(encode)

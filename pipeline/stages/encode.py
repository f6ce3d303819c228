"""Stage `encode`: labels as one-hot vectors, equation (23)."""

from __future__ import annotations

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.prepared import SPLIT, load


def encode(config: Config, paths: Paths) -> None:
    """Write the one-hot labels of training, validation and test examples."""
    data = load(config, paths)
    data.save(paths.labels, SPLIT, {name: part.one_hot for name, part in data.parts.items()})


if __name__ == "__main__":
    run(encode)

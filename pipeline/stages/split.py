"""Stage `split`: draw the training and the validation examples."""

from __future__ import annotations

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.prepared import SPLIT, load


def split(config: Config, paths: Paths) -> None:
    """Write the indices of the training and the validation examples."""
    data = load(config, paths)
    data.save(paths.split_indices, SPLIT, data.draw()._asdict())


if __name__ == "__main__":
    run(split)

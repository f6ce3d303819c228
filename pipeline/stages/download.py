"""Stage `download`: the four IDX files of the data set, by their hashes."""

from __future__ import annotations

import os
import sys

from pipeline.config import Config
from pipeline.data.catalogue import DATASETS
from pipeline.data.sources import obtain
from pipeline.paths import Paths
from pipeline.stages.entry import run


def download(config: Config, paths: Paths) -> None:
    """Fetch what is missing; without a network, from the folders that can hold the files."""
    name = config.data.name
    obtain(
        DATASETS[name],
        paths.raw(name),
        mirror=os.environ.get("MNIST_MIRROR"),
        beside=paths.beside(name),
        progress=sys.stderr.isatty(),
    )


if __name__ == "__main__":
    run(download)

"""Get the files of the data set, checked by their SHA-256: `pipeline download data=kmnist`."""

from __future__ import annotations

import os
import sys

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.catalogue import DATASETS
from pipeline.data.sources import MIRRORS, obtain, user_cache


def download(config: Config, paths: Paths) -> None:
    """Fetch what is missing: from the folders that may hold the files, else from the network."""
    name = config.data.name
    obtain(
        DATASETS[name],
        paths,
        mirror=os.environ.get("MNIST_MIRROR"),
        cache=user_cache(name),
        public=MIRRORS.get(name, ()),
        progress=sys.stderr.isatty(),
    )


if __name__ == "__main__":
    run(download)

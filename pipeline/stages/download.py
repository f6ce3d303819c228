"""Get the files of the data set, checked by their SHA-256: `pipeline download data=kmnist`."""

from __future__ import annotations

import os

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.data.sources import obtain, user_cache


def download(config: Config, paths: Paths) -> None:
    """Get what is missing, from folders or the network, and check that it fits the split."""
    data = load(config, paths)
    obtain(
        data.dataset,
        paths,
        folder=config.data_folder,
        mirror=os.environ.get("MNIST_MIRROR"),
        cache=user_cache(data.dataset.name),
    )
    data.files, data.split  # noqa: B018  # unusable data are refused before any work


if __name__ == "__main__":
    run(download)

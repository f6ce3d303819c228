"""Stage `split`: which images train and which validate."""

from __future__ import annotations

import numpy as np

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_json, write_npz
from pipeline.base.paths import Paths
from pipeline.data import prepared
from pipeline.data.split import digest


def split(config: Config, paths: Paths) -> None:
    """Write the indices, and a summary that a person can read."""
    labels = prepared.training_labels(paths, config.data.name)
    indices = prepared.make_split(config, labels)
    write_npz(paths.split_indices, prepared.split_arrays(config, indices))
    summary = {
        "method": config.split.method,
        "seed": config.split.seed,
        "train": len(indices.train),
        "validation": len(indices.validation),
        "test": config.split.test,
        "classes_train": np.bincount(labels[indices.train]).tolist(),
        "classes_validation": np.bincount(labels[indices.validation]).tolist(),
        "sha256": digest(indices),
    }
    write_json(paths.split_summary, summary)


if __name__ == "__main__":
    run(split)

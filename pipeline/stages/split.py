"""Stage `split`: draw the training and the validation examples."""

from __future__ import annotations

import numpy as np

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_json
from pipeline.base.paths import Paths
from pipeline.data.prepared import SPLIT, load


def split(config: Config, paths: Paths) -> None:
    """Write the indices, and a summary that a person can read."""
    data = load(config, paths)
    labels, indices = data.files["train"].labels, data.draw()
    data.save(paths.split_indices, SPLIT, indices._asdict())
    summary = {
        "method": config.split.method,
        "seed": config.split.seed,
        "train": len(indices.train),
        "validation": len(indices.validation),
        "test": config.split.test,
        "classes_train": np.bincount(labels[indices.train]).tolist(),
        "classes_validation": np.bincount(labels[indices.validation]).tolist(),
        "sha256": indices.digest(),
    }
    write_json(paths.split_summary, summary)


if __name__ == "__main__":
    run(split)

"""Stage `preprocess`: fit the preprocessor to the training images, and tell what it does."""

from __future__ import annotations

import sys

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_json, write_npz
from pipeline.base.paths import Paths
from pipeline.data import prepared
from pipeline.data.effect import effect


def preprocess(config: Config, paths: Paths) -> None:
    """Write the fitted preprocessor, and its effect on each part of the data."""
    images = prepared.training_file(paths, config.data.name)
    indices = prepared.split_for(config, paths, images.labels)
    train = images.pixels[indices.train]
    fitted = prepared.make_preprocessor(config, train)
    write_npz(paths.preprocessor, prepared.preprocessor_arrays(config, fitted.map))
    parts = {
        "train": train,
        "validation": images.pixels[indices.validation],
        "test": prepared.test_file(paths, config.data.name).pixels[: config.split.test],
    }
    summary = effect(fitted, parts)
    write_json(paths.preprocess_summary, summary)
    for warning in summary["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run(preprocess)

"""Stage `preprocess`: fit the preprocessor to the training examples, and measure its effect."""

from __future__ import annotations

import sys

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_json
from pipeline.base.paths import Paths
from pipeline.data.effect import effect
from pipeline.data.prepared import PREPROCESS, load


def preprocess(config: Config, paths: Paths) -> None:
    """Write the fitted preprocessor, and its effect on each part of the data."""
    data = load(config, paths)
    fitted = data.fit()
    data.save(paths.preprocessor, PREPROCESS, fitted.map.arrays())
    summary = effect(fitted, {name: part.raw for name, part in data.parts.items()})
    write_json(paths.preprocess_summary, summary)
    for warning in summary["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run(preprocess)

"""Stage `report`: pictures of the results."""

from __future__ import annotations

from pipeline.config import Config
from pipeline.paths import Paths
from pipeline.results.figures import learning_curves
from pipeline.results.style import save
from pipeline.results.tables import read_curves, read_summary
from pipeline.stages.entry import run


def report(config: Config, paths: Paths) -> None:
    """Draw the learning curves."""
    test = read_summary(paths.metrics, "test", "accuracy")
    title = f"{config.study}: {test.n} of {len(config.seeds)} seeds"
    save(
        learning_curves(read_curves(paths.history, "accuracy"), test, title), paths.learning_curves
    )


if __name__ == "__main__":
    run(report)

"""Stage `lecture`: the lecture's figures of functions, examples and a denoised cosine."""

from __future__ import annotations

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.lecture.demonstrations import DIGITS, of_digits, without_data
from pipeline.results.style import save


def lecture(config: Config, paths: Paths) -> None:
    """Draw every figure."""
    data = load(config, paths)
    raw, labels = (array[:DIGITS] for array in data.files["train"])
    drawn = without_data()
    if data.dataset.image_shape:
        drawn |= of_digits(raw, labels, data.dataset.image_shape, data.dataset.classes)
    for name, figure in drawn.items():
        save(figure, paths.lecture_figures / f"{name}.png")


if __name__ == "__main__":
    run(lecture)

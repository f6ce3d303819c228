"""Stage `lecture`: the lecture's figures, and its denoised cosine in numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_json
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.lecture import cosine, figures
from pipeline.lecture.demonstrations import DIGITS, of_digits, without_data
from pipeline.results.style import save


def lecture(config: Config, paths: Paths) -> None:
    """Draw every figure, and write what the cosines measure."""
    with ThreadPoolExecutor() as beside:
        # Runs on other cores, while this one draws the figures that do not need it.
        measuring = beside.submit(cosine.measure)
        data = load(config, paths)
        raw, labels = (array[:DIGITS] for array in data.training_file)
        drawn = without_data()
        if data.dataset.image_shape:
            drawn |= of_digits(raw, labels, data.dataset.image_shape, data.dataset.classes)
        for name, figure in drawn.items():
            save(figure, paths.lecture_figures / f"{name}.png")
        denoised, measured = measuring.result()
    write_json(paths.cosine, measured)
    save(figures.cosine(*cosine.cosine(), denoised), paths.lecture_figures / "cosine.png")


if __name__ == "__main__":
    run(lecture)

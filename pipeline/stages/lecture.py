"""Stage `lecture`: the lecture's figures, and its denoised cosine in numbers."""

from __future__ import annotations

from pipeline.config import Config
from pipeline.data import prepared
from pipeline.data.catalogue import DATASETS
from pipeline.files import write_json
from pipeline.lecture import cosine
from pipeline.lecture.demonstrations import DIGITS, of_digits, without_data
from pipeline.paths import Paths
from pipeline.results.style import save
from pipeline.stages.entry import run


def lecture(config: Config, paths: Paths) -> None:
    """Draw every figure, and write what the cosines measure."""
    denoised, measured = cosine.measure()
    write_json(paths.cosine, measured)
    images = prepared.training_file(paths, config.data.name)
    shape = DATASETS[config.data.name].image_shape
    drawn = without_data(denoised)
    drawn |= of_digits(images.pixels[:DIGITS], images.labels[:DIGITS], shape)
    for name, figure in drawn.items():
        save(figure, paths.lecture_figure(name))


if __name__ == "__main__":
    run(lecture)

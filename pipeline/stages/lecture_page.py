"""The lecture's page, from the figures and results that are here: `make lecture`.

No stage of DVC's, since the page says which commit made it and how long preprocessing took.
"""

from __future__ import annotations

import time

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import read_json, write_bytes
from pipeline.base.paths import Paths
from pipeline.data import prepared
from pipeline.data.preprocessing import fit
from pipeline.lecture.page import DEMONSTRATIONS, STUDIES, TIMED, lecture_page
from pipeline.lecture.studies import label
from pipeline.records.provenance import made_by
from pipeline.stages.studies import DATASET


def write(config: Config, paths: Paths) -> None:
    """Write the page."""
    pictures = {
        name: (paths.lecture_figures / f"{name}.png").read_bytes() for name in DEMONSTRATIONS
    }
    pictures |= {name: (paths.studies_figures / f"{name}.png").read_bytes() for name in STUDIES}
    page = lecture_page(
        pictures, read_json(paths.studies), seconds(config, paths), made_by(paths.root)
    )
    write_bytes(paths.lecture_page, page.html().encode())
    print(paths.lecture_page)


def seconds(config: Config, paths: Paths) -> dict[str, tuple[float, float]]:
    """Return how long ways of preprocessing take to fit, and to apply to the training images."""
    images = prepared.training_file(paths, DATASET)
    train = images.pixels[prepared.split_for(config, paths, images.labels).train]
    found = {}
    for chosen in TIMED:
        start = time.perf_counter()
        fitted = fit(train, **chosen)
        between = time.perf_counter()
        fitted.map.apply(train, config.training.dtype)
        found[label(chosen)] = (between - start, time.perf_counter() - between)
    return found


if __name__ == "__main__":
    run(write)

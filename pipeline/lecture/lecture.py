"""Write reports/lecture.html from the figures and results that `make lecture` computes.

This is not a DVC stage, since the page names the commit that it was made from and the time that
preprocessing took.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import read_json, write_bytes
from pipeline.base.numerics import one_blas_thread
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.data.preprocessing import fit, label
from pipeline.lecture import cosine
from pipeline.lecture.published import RUNS
from pipeline.lecture.studies import BASELINE
from pipeline.records.provenance import made_by
from pipeline.results.crossed import Crossed
from pipeline.results.page import render
from pipeline.results.statistics import Summary, fewest_pairs

# Ways of preprocessing whose time is measured; ε does not affect it.
TIMED: tuple[dict[str, Any], ...] = (
    {"method": "raw"},
    {"method": "standardise", "statistics": "scalar"},
    {"method": "standardise", "statistics": "per_feature"},
    {"method": "whiten", "rotation": "pca", "epsilon": 1e-8},
    {"method": "whiten", "rotation": "zca", "epsilon": 1e-8},
)


def lecture(config: Config, paths: Paths) -> None:
    """Write the page."""
    folders = (paths.lecture_figures, paths.studies_figures)
    pictures = {path.stem: path.read_bytes() for folder in folders for path in folder.glob("*.png")}
    provenance = made_by(paths.root)
    page = lecture_page(pictures, read_json(paths.studies), seconds(config, paths), provenance)
    write_bytes(paths.lecture_page, page.encode())
    print(paths.lecture_page)


def lecture_page(
    pictures: Mapping[str, bytes],
    results: Mapping[str, Any],
    timed: Mapping[str, tuple[float, float]],
    provenance: list[tuple[str, str]],
) -> str:
    """Return the page.

    Args:
        pictures: PNG files of the demonstrations and of the studies, by name.
        results: what the `studies` stage wrote.
        timed: seconds to fit and to apply each of `TIMED`.
        provenance: of the code that made the page.
    """
    return render(
        "lecture/page.html.j2",
        pictures=pictures,
        results=results,
        ways=[{**row, "name": label(row["preprocess"])} for row in results["preprocessing"]],
        seconds=timed,
        provenance=provenance,
        five_runs_test=Summary.of_shares(results["five_runs"]["test"]),
        author_test=Summary.of_shares(results["author"]["test"]),
        splits={part: Crossed(**results["splits"][part]) for part in ("test", "validation")},
        baseline=BASELINE,
        fewest=fewest_pairs(len(results["preprocessing"]) - 1),
        fresh=cosine.FRESH,
        runs=RUNS,
    )


def seconds(config: Config, paths: Paths) -> dict[str, tuple[float, float]]:
    """Return the seconds to fit each of `TIMED`, and to apply it to the training images."""
    train = load(config, paths).train.raw
    measured = {}
    with one_blas_thread():
        for chosen in TIMED:
            start = time.perf_counter()
            fitted = fit(train, **chosen)
            between = time.perf_counter()
            fitted.map.apply(train, config.training.dtype)
            measured[label(chosen)] = (between - start, time.perf_counter() - between)
    return measured


if __name__ == "__main__":
    run(lecture)

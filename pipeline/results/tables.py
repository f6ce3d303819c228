"""Reading back what the evaluate stage wrote."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.files import read_json
from pipeline.results.statistics import Summary, summarise


def read_summary(metrics: Path, part: str, metric: str) -> Summary:
    """Return the statistics of one metric over the declared seeds.

    Args:
        metrics: the metrics file.
        part: "train", "validation" or "test".
        metric: "accuracy" or "loss".
    """
    per_seed = read_json(metrics)[part][metric]["per_seed"]
    return summarise({int(seed): value for seed, value in per_seed.items()})


def read_curves(history: Path, metric: str) -> dict[str, NDArray[np.float64]]:
    """Return one metric after every epoch, by part: shape (seeds that finished, epochs)."""
    found: dict[str, dict[str, list[float]]] = {}
    with history.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == metric:
                seeds = found.setdefault(row["split"], {})
                seeds.setdefault(row["seed"], []).append(float(row["value"]))
    return {part: np.array(list(seeds.values())) for part, seeds in found.items()}

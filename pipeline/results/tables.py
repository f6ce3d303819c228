"""Reading back what the evaluate stage wrote."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.files import read_json
from pipeline.results.crossed import Crossed
from pipeline.results.statistics import Summary, summarise


def read_summary(metrics: Path, part: str, metric: str) -> Summary:
    """Return the statistics of one metric over the declared seeds.

    Args:
        metrics: the metrics file.
        part: "train", "validation" or "test".
        metric: "accuracy" or "loss".
    """
    return parse_summary(read_json(metrics)[part][metric], share=metric == "accuracy")


def parse_summary(stored: Mapping[str, Any], *, share: bool) -> Summary:
    """Return a summary from what `Summary.as_dict` makes of it."""
    effects = None
    if "variance" in stored:
        seed, image, rest = (stored["variance"][name] for name in ("seed", "image", "rest"))
        effects = Crossed(stored["n"], stored["images"], stored["mean"], seed, image, rest)
    per_seed = {int(seed): value for seed, value in stored["per_seed"].items()}
    return summarise(per_seed, share=share, effects=effects)


def read_curves(history: Path, metric: str) -> dict[str, NDArray[np.float64]]:
    """Return one metric after every epoch, by part: shape (seeds that finished, epochs)."""
    found: dict[str, dict[str, list[float]]] = {}
    with history.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == metric:
                seeds = found.setdefault(row["split"], {})
                seeds.setdefault(row["seed"], []).append(float(row["value"]))
    return {part: np.array(list(seeds.values())) for part, seeds in found.items()}


class Predictions(NamedTuple):
    """Every seed's answers to the test images.

    Attributes:
        seeds: those that finished.
        actual: true classes, shape (N,).
        predicted: shape (seeds, N).
        margin: largest output minus the second largest, shape (seeds, N).
        confidence: largest output, shape (seeds, N).
    """

    seeds: list[int]
    actual: NDArray[np.int64]
    predicted: NDArray[np.int64]
    margin: NDArray[np.float64]
    confidence: NDArray[np.float64]


def read_predictions(path: Path) -> Predictions:
    """Return what the evaluate stage wrote of single images.

    Raises:
        UserError: a value is not finite, or a seed lacks an image that another one has.
    """
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if not np.isfinite(table).all():
        raise UserError(f"{path}: a value is not finite; `dvc repro --force evaluate` makes it")
    seeds = list(dict.fromkeys(table[:, 0].astype(int).tolist()))
    images = np.arange(len(table) // len(seeds))
    if not np.array_equal(table[:, :2], [(seed, image) for seed in seeds for image in images]):
        raise UserError(
            f"{path}: not every seed answers every image; `dvc repro --force evaluate` makes it"
        )
    by_seed = table.reshape(len(seeds), -1, table.shape[1])
    actual, predicted = by_seed[..., 2].astype(np.int64), by_seed[..., 3].astype(np.int64)
    return Predictions(seeds, actual[0], predicted, by_seed[..., 4], by_seed[..., 5])


def read_confusion(path: Path) -> NDArray[np.float64]:
    """Return how often each class was taken for each, mean over seeds: shape (m, m)."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2, dtype=np.int64)
    seeds = len(np.unique(table[:, 0]))
    m = int(table[:, 1].max()) + 1
    return table[:, 3].reshape(seeds, m, m).mean(axis=0)


def read_class_scores(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall and F1, each of shape (seeds, classes)."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    seeds = len(np.unique(table[:, 0]))
    names = ("precision", "recall", "f1")
    return {name: table[:, 2 + i].reshape(seeds, -1) for i, name in enumerate(names)}

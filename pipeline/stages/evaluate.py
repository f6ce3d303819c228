"""Stage `evaluate`: the test images with every declared seed's model, and the statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_csv, write_json
from pipeline.base.paths import Paths
from pipeline.data import prepared
from pipeline.data.catalogue import DATASETS
from pipeline.records.gather import declared
from pipeline.records.record import Finished, History
from pipeline.results.classes import class_scores, confusion
from pipeline.results.evaluation import Answers
from pipeline.results.evaluation import evaluate as evaluate_model
from pipeline.results.statistics import summarise, summarise_answers


def evaluate(config: Config, paths: Paths) -> None:
    """Write metrics, histories, class scores, confusions and predictions."""
    images = prepared.test_file(paths, config.data.name).pixels[: config.split.test]
    one_hot = prepared.test_one_hot(config, paths)
    labels = one_hot.argmax(axis=1)
    records = declared(config, paths)
    histories = {seed: record.history if record else [] for seed, record in records.items()}
    results = {
        seed: evaluate_model(record.model(), images, one_hot, config.training.cost)
        if record
        else None
        for seed, record in records.items()
    }
    write_json(paths.metrics, metrics(config, histories, results, labels))
    write_json(paths.tests, tests(records, results))
    write_csv(paths.history, ["seed", "epoch", "split", "metric", "value"], long(histories))
    found = {seed: result for seed, result in results.items() if result is not None}
    classes = DATASETS[config.data.name].classes
    write_csv(
        paths.classes,
        ["seed", "class", "precision", "recall", "f1", "support"],
        (
            (seed, number, *score)
            for seed, result in found.items()
            for number, score in enumerate(class_scores(labels, result.predicted, classes))
        ),
    )
    write_csv(
        paths.confusion,
        ["seed", "actual", "predicted", "count"],
        (
            (seed, actual, predicted, count)
            for seed, result in found.items()
            for (actual, predicted), count in np.ndenumerate(
                confusion(labels, result.predicted, classes)
            )
        ),
    )
    write_csv(
        paths.predictions,
        ["seed", "image", "actual", "predicted", "margin", "confidence"],
        (
            (seed, image, *row)
            for seed, result in found.items()
            for image, row in enumerate(
                zip(labels, result.predicted, result.margin, result.confidence, strict=True)
            )
        ),
    )


def metrics(
    config: Config,
    histories: dict[int, History],
    results: dict[int, Answers | None],
    labels: NDArray[np.integer[Any]],
) -> dict[str, object]:
    """Return statistics over seeds: training and validation of the last epoch, and test.

    Args:
        config: declares the seeds.
        histories: by seed; empty of one that failed.
        results: by seed; None of one that failed.
        labels: of the test images, shape (N,).
    """
    found: dict[str, object] = {"seeds": list(config.seeds)}
    for part in ("train", "validation"):
        found[part] = {
            metric: summarise(
                {seed: h[-1][part][metric] if h else None for seed, h in histories.items()},
                share=metric == "accuracy",
            ).as_dict()
            for metric in ("accuracy", "loss")
        }
    right = {seed: r.predicted == labels if r else None for seed, r in results.items()}
    losses = {seed: r.loss if r else None for seed, r in results.items()}
    found["test"] = {
        "accuracy": summarise_answers(right).as_dict(),
        "loss": summarise(losses).as_dict(),
    }
    return found


def tests(
    records: dict[int, Finished | None], results: dict[int, Answers | None]
) -> list[dict[str, object]]:
    """Return every seed's test results, with the manifest of the record that they belong to."""
    return [
        {
            "seed": seed,
            "manifest": record.manifest,
            "accuracy": result.accuracy,
            "loss": result.loss,
        }
        for seed, record in records.items()
        if record is not None and (result := results[seed]) is not None
    ]


def long(histories: dict[int, History]) -> Iterator[tuple[object, ...]]:
    """Yield a row per seed, epoch, split and metric."""
    for seed, history in histories.items():
        for entry in history:
            for part in ("train", "validation"):
                for metric, value in entry[part].items():
                    yield seed, entry["epoch"], part, metric, value


if __name__ == "__main__":
    run(evaluate)

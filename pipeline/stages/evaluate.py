"""Stage `evaluate`: every seed's model on the test images, and statistics over seeds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.files import write_csv, write_json
from pipeline.base.paths import Paths
from pipeline.data.prepared import load
from pipeline.records.gather import declared
from pipeline.records.record import Finished
from pipeline.results import evaluation
from pipeline.results.evaluation import Answers

Row = tuple[object, ...]


def evaluate(config: Config, paths: Paths) -> None:
    """Write metrics, every seed's test results, histories, class scores and predictions."""
    data = load(config, paths)
    records = declared(config, paths)
    answers = evaluation.evaluate_all(records, data.test, config.training.cost)
    summaries = evaluation.summaries(records, answers)
    write_json(paths.metrics, evaluation.dvc_metrics(summaries))
    write_json(paths.tests, list(tests(records, answers)))
    write_csv(paths.history, ["seed", "epoch", "split", "metric", "value"], history(records))
    names = data.dataset.class_names
    confusions = {
        seed: evaluation.confusion(answer.labels, answer.predicted, len(names))
        for seed, answer in answers.items()
    }
    write_csv(
        paths.classes,
        ["seed", "class", "precision", "recall", "f1", "support"],
        (
            (seed, *row)
            for seed, counts in confusions.items()
            for row in zip(names, *evaluation.class_scores(counts), strict=True)
        ),
    )
    write_csv(
        paths.confusion,
        ["seed", "actual", "predicted", "count"],
        (
            (seed, names[actual], names[predicted], count)
            for seed, counts in confusions.items()
            for (actual, predicted), count in np.ndenumerate(counts)
        ),
    )
    columns = ["seed", "image", "actual", "predicted", "margin", "confidence"]
    write_csv(paths.predictions, columns, predictions(answers))


def tests(
    records: dict[int, Finished | None], answers: dict[int, Answers]
) -> Iterator[dict[str, object]]:
    """Yield every seed's test results, with the manifest of the record that they belong to."""
    for seed, record in records.items():
        if record:
            yield {"seed": seed, "manifest": record.manifest, **evaluation.scores(answers[seed])}


def history(records: dict[int, Finished | None]) -> Iterator[Row]:
    """Yield a row for every seed, epoch, part of the data and metric."""
    for seed, record in records.items():
        for epoch in record.history if record else ():
            for part in ("train", "validation"):
                for metric, value in epoch[part].items():
                    yield seed, epoch["epoch"], part, metric, value


def predictions(answers: dict[int, Answers]) -> Iterator[Row]:
    """Yield a row for every seed and test image."""
    for seed, answer in answers.items():
        columns = (answer.labels, answer.predicted, answer.margin, answer.confidence)
        for image, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            yield seed, image, *row


if __name__ == "__main__":
    run(evaluate)

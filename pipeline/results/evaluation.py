"""Evaluate trained networks on images, and compute metrics of their answers.

Convention: a failed seed has None in place of its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.prepared import Part
from pipeline.engine.descent import mean_cost, outputs
from pipeline.records.model import Model
from pipeline.records.record import Finished, Test, Unfinished
from pipeline.results.statistics import Summary, effects_of, summarise

Labels = NDArray[np.integer[Any]]


class Answers(NamedTuple):
    """One model's answers to images.

    Attributes:
        labels: the true classes, shape (N,).
        predicted: the class of the largest output, shape (N,).
        outputs: of the last layer, shape (N, m).
        loss: mean cost.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    outputs: NDArray[np.floating[Any]]
    loss: float

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each answer is right, shape (N,)."""
        return self.predicted == self.labels

    @property
    def confidence(self) -> NDArray[np.floating[Any]]:
        """The largest output, shape (N,)."""
        return self.outputs.max(axis=1)

    @property
    def margin(self) -> NDArray[np.floating[Any]]:
        """The largest output minus the second largest, shape (N,)."""
        ordered = np.sort(self.outputs, axis=1)
        return ordered[:, -1] - ordered[:, -2]


def evaluate(model: Model, part: Part, cost: str) -> Answers:
    """Return a model's answers to the images of a part of the data.

    Args:
        model: preprocessor and network.
        part: raw images and labels.
        cost: a name in `pipeline.network.costs.COSTS`.
    """
    H_bar = model.pre_activations(part.raw)
    activation = model.network.activations[-1]
    loss = mean_cost(H_bar, part.one_hot, cost, activation)
    # argmax of H_bar, not of the outputs: two outputs that round to 1 would be a tie.
    predicted = H_bar.argmax(axis=1)
    return Answers(part.one_hot.argmax(axis=1), predicted, outputs(H_bar, activation), loss)


def evaluate_all(
    records: Mapping[int, Finished | None], part: Part, cost: str
) -> dict[int, Answers]:
    """Return the answers of every finished seed's model; see `evaluate`."""
    finished = ((seed, record) for seed, record in records.items() if record)
    return {seed: evaluate(record.model(), part, cost) for seed, record in finished}


# --- metrics -----------------------------------------------------------------------------------


class Metric(NamedTuple):
    """A metric of a model's answers.

    Attributes:
        of: computes it.
        is_share: whether it is a share from 0 to 1, where larger is better. Shares are shown in
            percent, and DVC's metrics contain them alone.
    """

    of: Callable[[Answers], float]
    is_share: bool = True


def accuracy(answers: Answers) -> float:
    """Return the share of right answers."""
    return float(np.mean(answers.right))


# All metrics on the test images: a metric added here is evaluated, recorded, and shown by DVC, the
# report and MLflow. `BY_EPOCH` are those on training and validation images after every epoch.
BY_EPOCH = ("accuracy", "loss")
METRICS = {
    "accuracy": Metric(accuracy),
    "loss": Metric(lambda answers: answers.loss, is_share=False),
}


def scores(answers: Answers) -> dict[str, float]:
    """Return every metric of a model's answers."""
    return {name: metric.of(answers) for name, metric in METRICS.items()}


def recorded_accuracy(record: Finished | Unfinished, part: str) -> float | None:
    """Return the accuracy on validation or test images that a record states, if it states one."""
    if isinstance(record, Unfinished):
        return None
    if part == "validation":
        return record.validation_accuracy
    return record.test["accuracy"] if record.test else None


Summaries = dict[str, dict[str, Summary]]
"""Statistics over seeds, by part of the data and metric."""


def summaries(records: Mapping[int, Finished | None], answers: Mapping[int, Answers]) -> Summaries:
    """Return the statistics over seeds after the last epoch, for every part of the data.

    Args:
        records: of every declared seed.
        answers: to the test images, of every seed that finished.
    """
    parts: dict[str, dict[int, Test | None]] = {
        part: {seed: each.history[-1][part] if each else None for seed, each in records.items()}
        for part in ("train", "validation")
    }
    parts["test"] = {seed: scores(answers[seed]) if seed in answers else None for seed in records}
    right = [each.right for each in answers.values()]
    return {
        part: {
            name: summarise(
                {seed: known[name] if known else None for seed, known in seeds.items()},
                share=METRICS[name].is_share,
                effects=effects_of(right) if (part, name) == ("test", "accuracy") else None,
            )
            for name in (METRICS if part == "test" else BY_EPOCH)
        }
        for part, seeds in parts.items()
    }


def dvc_metrics(statistics: Summaries) -> dict[str, dict[str, Any]]:
    """Return the metrics that DVC shows, in percent; few enough to fit a screen.

    They are means of shares. Accuracy also has its standard deviation, n, and the 95 % interval
    for these images and new seeds. Test accuracy also has the interval for new images and new
    seeds, and the variances of seeds, images and the rest, in (percentage points)².
    """

    def percent(value: float | None) -> float | None:
        return None if value is None else round(100 * value, 4)

    metrics: dict[str, dict[str, Any]] = {}
    for part in ("test", "validation"):
        accuracy, *others = ((n, s) for n, s in statistics[part].items() if METRICS[n].is_share)
        _, known = accuracy
        low, high = known.ci95 or (None, None)
        metrics[part] = {
            "accuracy": percent(known.mean),
            "sd": percent(known.sd),
            "low": percent(low),
            "high": percent(high),
            "n": known.n,
            **{name: percent(other.mean) for name, other in others},
        }
        if known.effects and known.ci95_new_images:
            low, high = known.ci95_new_images
            effects = known.effects
            variances = {"seed": effects.row, "image": effects.column, "rest": effects.rest}
            metrics[part]["new_images"] = {"low": percent(low), "high": percent(high)}
            metrics[part]["variance"] = {name: round(1e4 * v, 6) for name, v in variances.items()}
    return metrics


# --- classes -----------------------------------------------------------------------------------


def confusion(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix: rows are true classes, columns answers, shape (m, m)."""
    pairs = labels.astype(np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


class ClassScores(NamedTuple):
    """Precision, recall, F1 and number of images of each class, each of shape (m,)."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


def class_scores(counts: NDArray[np.integer[Any]]) -> ClassScores:
    """Return the scores of each class from a confusion matrix.

    A score that would divide by zero is 0; the scores of a class without images are nan.
    """
    right, support, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall, f1 = (
        np.where(support > 0, hits / np.maximum(of, 1), np.nan)
        for hits, of in ((right, answered), (right, support), (2 * right, answered + support))
    )
    return ClassScores(precision, recall, f1, support)


# --- confidence --------------------------------------------------------------------------------


class Calibration(NamedTuple):
    """A network's accuracy by its confidence.

    Attributes:
        confidence: mean of each bin that is not empty, shape (k,).
        accuracy: share of right answers in each of these bins, shape (k,).
        error: expected calibration error: mean distance of the two over all images.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: float


def calibration(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = 10
) -> Calibration:
    """Return the reliability diagram of one network (Guo et al. 2017, arXiv:1706.04599, (3)).

    Args:
        confidence: in [0, 1], shape (N,).
        right: shape (N,).
        bins: of equal width.
    """
    numbers = np.clip((confidence * bins).astype(int), 0, bins - 1)
    counts = np.bincount(numbers, minlength=bins)
    sums = np.bincount(numbers, confidence, bins), np.bincount(numbers, right, bins)
    filled = counts > 0
    mean, share = (total[filled] / counts[filled] for total in sums)
    error = float(np.sum(counts[filled] * np.abs(mean - share)) / len(confidence))
    return Calibration(mean, share, error)

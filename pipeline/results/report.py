"""Make the report on an experiment: figures, a page, and a summary.

Convention: `report.html.j2` and `summary.md.j2` hold the text. Figures that do not fit the data,
such as pictures of examples that are no images, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.base.config import Config, experiment
from pipeline.data.catalogue import Dataset
from pipeline.network.activations import ACTIVATIONS
from pipeline.records.model import Model
from pipeline.records.record import Finished
from pipeline.results import figures
from pipeline.results.card import mistakes
from pipeline.results.crossed import student
from pipeline.results.evaluation import (
    Answers,
    Calibration,
    Summaries,
    calibration,
    class_scores,
    confusion,
)
from pipeline.results.page import DIFFERENCES, PLANNED, render, seeds_needed
from pipeline.results.statistics import Summary

FEW = 5  # fewer seeds than this get a warning
HARDEST = 16  # most images in a figure
NEURONS = 30
CAPTION = 17  # characters that fit above an image
MOST_CLASSES = 30  # with more, a confusion matrix is unreadable
Table = list[list[str]]
"""Rows of cells."""


@dataclass
class Results:
    """The outputs of an experiment's stages.

    Attributes:
        config: the experiment's.
        name: of the configuration.
        dataset: the data set.
        records: of the finished seeds.
        summaries: statistics by part and metric.
        answers: to the test images, by seed.
        preprocess: the preprocess stage's summary.
        test_pixels: raw, shape (N, n).
        sample: raw training pixels, shape (k, n), for the figure of preprocessing.
    """

    config: Config
    name: str
    dataset: Dataset
    records: list[Finished]
    summaries: Summaries
    answers: Mapping[int, Answers]
    preprocess: Mapping[str, Any]
    test_pixels: NDArray[np.uint8]
    sample: NDArray[np.uint8]

    @cached_property
    def model(self) -> Model:
        """The first finished seed's."""
        return self.records[0].model()

    @property
    def headline(self) -> str:
        """Test accuracy as text, in percent, with the data set's word for its examples."""
        return self.accuracies["test"].percent(self.dataset.noun)

    @property
    def accuracies(self) -> dict[str, Summary]:
        """Statistics of accuracy by part."""
        return {part: metrics["accuracy"] for part, metrics in self.summaries.items()}

    @property
    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Accuracy after every epoch by part, shape (seeds, epochs)."""
        return {
            part: np.array([[e[part]["accuracy"] for e in each.history] for each in self.records])
            for part in ("train", "validation")
        }

    @cached_property
    def confusions(self) -> NDArray[np.int64]:
        """The confusion matrices, shape (seeds, m, m)."""
        classes = self.dataset.classes
        return np.stack(
            [confusion(each.labels, each.predicted, classes) for each in self.answers.values()]
        )

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each class, shape (seeds, m); nan for a class without test images."""
        return np.stack([class_scores(counts).f1 for counts in self.confusions])

    @cached_property
    def calibrations(self) -> list[Calibration]:
        """The reliability diagram of each finished seed."""
        return [calibration(each.confidence, each.right) for each in self.answers.values()]

    @cached_property
    def wrong_by(self) -> NDArray[np.int64]:
        """How many seeds get each test image wrong, shape (N,)."""
        return np.sum([~each.right for each in self.answers.values()], axis=0)

    @cached_property
    def hardest(self) -> list[int]:
        """The images that most seeds get wrong; of equally many, first the largest mean margin."""
        wrong = self.wrong_by
        margin = np.mean([each.margin for each in self.answers.values()], axis=0)
        order = np.lexsort((-margin, -wrong))
        return [int(index) for index in order[:HARDEST] if wrong[index] > 0]


def draw(results: Results) -> dict[str, Figure]:
    """Return the figures by file name without extension."""
    test, names = results.accuracies["test"], results.dataset.class_names
    title = f"{test.n} of {test.declared} seeds"
    applied = results.model.preprocessor.apply(results.sample)
    drawn = {
        "learning_curves": figures.learning_curves(
            results.curves, test, title, results.dataset.noun
        ),
        "seeds": figures.seed_dots(results.accuracies),
        "classes": figures.class_scores(results.f1, names),
        "reliability": figures.reliability(results.calibrations),
        "preprocessing": figures.preprocessing(
            results.sample / 255, applied, results.config.preprocess.method
        ),
    }
    if test.effects is not None:
        drawn["variances"] = figures.variances(test.effects, results.dataset.noun)
    if len(names) <= MOST_CLASSES:
        drawn["confusion"] = figures.confusion(results.confusions.mean(axis=0), names)
    shape = results.dataset.image_shape
    if shape is not None:
        weights = results.model.on_pixels()[0].W
        strongest = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:NEURONS]
        drawn["first_layer"] = figures.first_layer(weights[strongest].reshape(-1, *shape))
        if results.hardest:
            images = results.test_pixels[results.hardest].reshape(-1, *shape)
            drawn["hardest"] = figures.hardest(images, _captions(results))
    return drawn


def _captions(results: Results) -> list[str]:
    """Return the true class and the seeds' answers for each of the hardest images, shortened."""
    names, answers = results.dataset.class_names, list(results.answers.values())
    captions = []
    for index in results.hardest:
        guesses = [names[each.predicted[index]] for each in answers]
        if max(map(len, names)) > 1:  # with longer names, each answer once
            guesses = list(dict.fromkeys(guesses))
        text = f"{names[answers[0].labels[index]]}: {' '.join(guesses)}"
        captions.append(text if len(text) <= CAPTION else f"{text[: CAPTION - 1]}…")
    return captions


def page(results: Results, pictures: Mapping[str, bytes]) -> str:
    """Return the page; `pictures` are `draw`'s figures as PNG files."""
    test, wrong = results.accuracies["test"], results.wrong_by
    f1, names = results.f1.mean(axis=0), results.dataset.class_names
    return render(
        "results/report.html.j2",
        **_shared(results),
        pictures=pictures,
        without=[names[each] for each in np.flatnonzero(np.isnan(f1))],
        worst=(names[int(np.nanargmin(f1))], float(np.nanmin(f1))),
        mistakes=mistakes(results.confusions, names),
        images=len(wrong),
        wrong_by_all=int(np.sum(wrong == test.n)),
        wrong_by_any=int(np.sum(wrong > 0)),
        hardest=len(results.hardest),
        calibration_error=float(np.mean([each.error for each in results.calibrations])),
        probabilities=ACTIVATIONS[results.config.network.output].probabilities,
        neurons=min(NEURONS, len(results.model.network.layers[0].b)),
        widest=test.effects.half_widths(10**6)[1] if test.effects else 0.0,
        plan=_plan(test),
        needed=_needed(test),
        settings=experiment(results.config),
        provenance=_provenance(results),
    )


def summary(results: Results) -> str:
    """Return the headline and the tables of accuracies as Markdown, for pasting."""
    return render("results/summary.md.j2", **_shared(results))


def _shared(results: Results) -> dict[str, Any]:
    test = results.accuracies["test"]
    narrower = student(FEW - 1) / FEW**0.5
    return {
        **{field.name: getattr(results, field.name) for field in fields(results)},
        "accuracies": results.accuracies,
        "test": test,
        "failed": [seed for seed, value in test.per_seed.items() if value is None],
        "few": FEW,
        "times_as_wide": student(test.n - 1) / test.n**0.5 / narrower if test.n > 1 else None,
        "noun": results.dataset.noun,
        "headline": results.headline,
        "metrics": _metrics(results.summaries),
        "seeds": _seeds(results.accuracies),
    }


def _metrics(summaries: Summaries) -> Table:
    """Return mean, deviation, intervals and range of every metric of every part."""
    return [
        [f"{part} {name.replace('_', ' ')}", *_metric(known)]
        for part, metrics in summaries.items()
        for name, known in metrics.items()
    ]


def _metric(known: Summary) -> list[str]:
    def text(value: float | None) -> str:
        if value is None:
            return "–"
        return f"{100 * value:.2f} %" if known.share else f"{value:.4f}"

    limits = (
        "–" if each is None else " to ".join(map(text, each))
        for each in (known.ci95, known.ci95_new_images)
    )
    mean, sd, smallest, largest = map(text, (known.mean, known.sd, known.min, known.max))
    return [known.count, mean, sd, *limits, smallest, largest]


def _seeds(accuracies: dict[str, Summary]) -> Table:
    """Return every declared seed's accuracies; a failed seed has a row, too."""
    table = []
    for seed in accuracies["test"].per_seed:
        values = [summary.per_seed[seed] for summary in accuracies.values()]
        cells = ["failed" if value is None else f"{100 * value:.2f} %" for value in values]
        table.append([str(seed), *cells])
    return table


def _plan(test: Summary) -> Table:
    """Return half the widths of both intervals of the mean for several numbers of seeds."""
    if test.effects is None:
        return []
    halves = ((n, test.effects.half_widths(n)) for n in PLANNED)
    return [[str(n), *(f"± {100 * half:.2f}" for half in both)] for n, both in halves]


def _needed(test: Summary) -> Table:
    """Return how many seeds a comparison of two settings would need."""
    if test.sd is None:
        return []
    # Standard deviation of the difference of two independent settings.
    sd = 2**0.5 * test.sd
    return [[f"{100 * each:.2f}", seeds_needed(each, sd, test.n)] for each in DIFFERENCES]


def _provenance(results: Results) -> list[tuple[str, str]]:
    described = results.records[0].description
    return [
        ("code that decides results", described["code"]),
        ("split", described["preparation"]["split"]),
        ("fitted preprocessor", described["preparation"]["preprocessor"]),
        ("arithmetic", f"version {described['arithmetic']['version']}"),
        ("canary of the arithmetic", described["arithmetic"]["canary"]),
        *described["data"].items(),
        *((f"manifest of seed {each.seed}", each.manifest) for each in results.records),
    ]

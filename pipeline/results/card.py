"""Write the model card of trained models from their records.

Convention: `card.md.j2` holds the text, after M. Mitchell et al., Model Cards for Model Reporting
(arXiv:1810.03993).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.catalogue import Data, dataset_of
from pipeline.network.activations import ACTIVATIONS
from pipeline.records.names import configuration_names
from pipeline.records.record import Finished
from pipeline.results.evaluation import recorded_accuracy
from pipeline.results.page import render
from pipeline.results.statistics import Summary, summarise

MOST_MISTAKES = 5


class Mistake(NamedTuple):
    """How often one class is mistaken for another: number of test images, mean over seeds."""

    actual: str
    answer: str
    images: float


def mistakes(confusions: NDArray[np.integer[Any]], names: Sequence[str]) -> list[Mistake]:
    """Return the most frequent mistakes.

    Args:
        confusions: confusion matrices, shape (seeds, m, m).
        names: of the classes.
    """
    means = confusions.mean(axis=0) * (1 - np.eye(len(names)))
    order = np.argsort(-means, axis=None, kind="stable")[:MOST_MISTAKES]
    return [
        Mistake(names[row], names[column], float(means[row, column]))
        for row, column in (divmod(int(place), len(names)) for place in order)
        if means[row, column] > 0
    ]


def model_card(
    records: Sequence[Finished],
    load: str,
    test: Summary | None = None,
    frequent: Sequence[Mistake] = (),
) -> str:
    """Return the card of a configuration's models, as Markdown.

    Args:
        records: of the finished seeds, at least one.
        load: lines of Python that load a model.
        test: test accuracy with both intervals; if None, computed from the records.
        frequent: the most frequent mistakes, if they are known.
    """
    if test is None:
        known = {each.seed: recorded_accuracy(each, "test") for each in records}
        test = summarise(known, share=True)
    experiment = records[0].description["experiment"]
    (name,) = configuration_names([experiment])
    return render(
        "results/card.md.j2",
        name=name,
        records=records,
        described=records[0].description,
        experiment=experiment,
        dataset=dataset_of(Data(**experiment["data"])),
        test=test,
        probabilities=ACTIVATIONS[experiment["network"]["output"]].probabilities,
        mistakes=frequent,
        load=load,
    )

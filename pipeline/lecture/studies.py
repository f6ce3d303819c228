"""The lecture's results on MNIST, published and ours; and what preprocessing changes.

Convention: accuracies are shares, a value a seed. Nothing is read here: `Setting` is what a
sweep has left of one configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.lecture.published import AUTHOR_TEST, RUNS, Point
from pipeline.results.statistics import (
    Agreement,
    Summary,
    agreement,
    compare_all,
    cross,
    summarise,
    summarise_answers,
)


@dataclass(frozen=True)
class Setting:
    """A configuration and its seeds.

    Attributes:
        experiment: see `pipeline.base.config.experiment`.
        curves: "train" and "validation" accuracy after each epoch, by seed.
        right: which test images the network is right on after the last epoch, by seed: shape (N,).
    """

    experiment: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, Mapping[int, Sequence[float]]]
    right: Mapping[int, NDArray[np.bool_]]

    @property
    def test(self) -> dict[int, float]:
        """Test accuracy after the last epoch, by seed."""
        return {seed: float(right.mean()) for seed, right in self.right.items()}

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Return accuracy by part, each of shape (seeds, epochs); test has one epoch, the last."""
        found = {part: np.array(list(seeds.values())) for part, seeds in self.curves.items()}
        return {**found, "test": np.array(list(self.test.values()))[:, np.newaxis]}

    def summary(self, part: str) -> Summary:
        """Return the statistics of accuracy after the last epoch."""
        if part == "test":
            return summarise_answers(self.right)
        return summarise({s: values[-1] for s, values in self.curves[part].items()}, share=True)


def against_five_runs(ours: Setting, published: Sequence[Point]) -> list[tuple[Point, Agreement]]:
    """Return each of the lecture's points beside our seeds; see `statistics.agreement`."""
    values = ours.values()
    return [
        (
            point,
            agreement(
                values[point.part][:, point.epoch - 1 if point.part != "test" else 0].tolist(),
                point.mean,
                point.sd,
                RUNS,
            ),
        )
        for point in published
    ]


def five_runs_as_dict(ours: Setting, found: Sequence[tuple[Point, Agreement]]) -> dict[str, Any]:
    """Return the comparison as JSON has it."""
    return {
        "experiment": ours.experiment,
        "seeds": list(ours.right),
        "test": ours.summary("test").as_dict(),
        "agree": sum(each.agrees for _, each in found),
        "of": len(found),
        "points": [
            {
                "part": point.part,
                "epoch": point.epoch,
                "published": each.published,
                "published_sd": point.sd,
                "ours": each.ours,
                "ci95": list(each.ci95),
                "agrees": each.agrees,
            }
            for point, each in found
        ],
    }


def against_author(ours: Setting) -> Agreement:
    """Return the author's single published number beside our seeds; its spread is unknown."""
    return agreement(list(ours.test.values()), AUTHOR_TEST, published_sd=0.0, published_n=1)


def author_as_dict(ours: Setting) -> dict[str, Any]:
    """Return the same as JSON has it."""
    found = against_author(ours)
    return {
        "experiment": ours.experiment,
        "published": found.published,
        "ours": found.ours,
        "ci95": list(found.ci95),
        "agrees": found.agrees,
        "test": ours.summary("test").as_dict(),
        "validation": ours.summary("validation").as_dict(),
    }


def splits_as_dict(settings: Sequence[Setting]) -> dict[str, Any]:
    """Return how much splits (rows) and seeds (columns) matter, as JSON has it.

    Args:
        settings: that differ in `split.seed` alone, all with the same seeds.
    """
    accuracies: dict[str, dict[tuple[int, int], float | None]] = {"validation": {}, "test": {}}
    for setting in settings:
        split = setting.experiment["split"]["seed"]
        for part, runs in accuracies.items():
            runs |= {(split, s): value for s, value in setting.summary(part).per_seed.items()}
    return {part: asdict(cross(runs)) for part, runs in accuracies.items()}


# --- preprocessing -----------------------------------------------------------------------------


def label(preprocess: Mapping[str, Any]) -> str:
    """Return a name for a preprocessor's settings."""
    if preprocess["method"] == "raw":
        return "raw"
    if preprocess["method"] == "standardise":
        kinds = {"scalar": "standardised by scalars", "per_feature": "standardised per feature"}
        return kinds[preprocess["statistics"]]
    return f"{preprocess['rotation'].upper()}, ε = {preprocess['epsilon']:g}"


BASELINE = "standardised by scalars"  # what params.yaml does


@dataclass(frozen=True)
class Preprocessed:
    """A way of preprocessing: what it does to the inputs, and to the result.

    Attributes:
        name: see `label`.
        setting: its seeds.
        effect: see `pipeline.data.effect`.
    """

    name: str
    setting: Setting
    effect: Mapping[str, Any]

    def largest(self, part: str) -> float:
        """Return the largest absolute input that a part's images make."""
        return float(self.effect["parts"][part]["largest"])


def preprocessing_as_dict(found: Sequence[Preprocessed]) -> list[dict[str, Any]]:
    """Return every way of preprocessing, each paired by seed with `BASELINE`, on test accuracy."""
    baseline = next(each.setting.right for each in found if each.name == BASELINE)
    others = {each.name: each.setting.right for each in found if each.name != BASELINE}
    pairs = compare_all(others, baseline)
    rows = []
    for each in found:
        row: dict[str, Any] = {
            "name": each.name,
            "preprocess": each.setting.experiment["preprocess"],
            "inputs": each.effect["inputs"],
            "constant_pixels": each.effect["constant_pixels"],
            "null_directions": each.effect["null_directions"],
            "weakest_deviation": each.effect["weakest_deviation"],
            "largest_input": {part: each.largest(part) for part in ("train", "validation", "test")},
            "covariance_distance_from_identity": each.effect["covariance_distance_from_identity"],
            "train": each.setting.summary("train").as_dict(),
            "validation": each.setting.summary("validation").as_dict(),
            "test": each.setting.summary("test").as_dict(),
        }
        if each.name in pairs:
            row["against_baseline"] = pairs[each.name].as_dict()
        rows.append(row)
    return rows

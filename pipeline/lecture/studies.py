"""Compare the lecture's results on MNIST with ours, and ways of preprocessing with each other.

Convention: accuracies are shares, one value per seed. This module reads no files: `Setting` holds
the results of one configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    summarise_right,
)


@dataclass(frozen=True)
class Setting:
    """A configuration and its seeds' results.

    Attributes:
        experiment: see `pipeline.base.config.experiment`.
        curves: "train" and "validation" accuracy after each epoch, by seed.
        right: by seed, which test images the trained network is right on, shape (N,).
    """

    experiment: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, Mapping[int, Sequence[float]]]
    right: Mapping[int, NDArray[np.bool_]]

    @property
    def test(self) -> dict[int, float]:
        """Test accuracy after the last epoch, by seed."""
        return {seed: float(right.mean()) for seed, right in self.right.items()}

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Return accuracy by part, shape (seeds, epochs); test has the last epoch only."""
        curves = {part: np.array(list(seeds.values())) for part, seeds in self.curves.items()}
        return {**curves, "test": np.array(list(self.test.values()))[:, np.newaxis]}

    def summary(self, part: str) -> Summary:
        """Return the statistics of accuracy after the last epoch."""
        if part == "test":
            return summarise_right(self.right)
        return summarise({s: values[-1] for s, values in self.curves[part].items()}, share=True)

    def rows(self, *, last: bool) -> Iterator[tuple[int, int, str, float]]:
        """Yield seed, epoch, part and accuracy; only the last epoch if `last`."""
        epochs = self.experiment["training"]["epochs"]
        for part, seeds in self.curves.items():
            for seed, values in seeds.items():
                for epoch, value in enumerate(values, start=1):
                    if epoch == epochs or not last:
                        yield seed, epoch, part, value
        for seed, value in self.test.items():
            yield seed, epochs, "test", value


def against_five_runs(ours: Setting, published: Sequence[Point]) -> list[tuple[Point, Agreement]]:
    """Compare each of the lecture's points with our seeds; see `statistics.agreement`."""
    values = ours.values()
    pairs = []
    for point in published:
        after = values[point.part][:, 0 if point.part == "test" else point.epoch - 1]
        pairs.append((point, agreement(after.tolist(), point.mean, point.sd, RUNS)))
    return pairs


def five_runs_as_dict(ours: Setting, pairs: Sequence[tuple[Point, Agreement]]) -> dict[str, Any]:
    """Return the comparison for JSON."""
    return {
        "experiment": ours.experiment,
        "seeds": list(ours.right),
        "test": ours.summary("test").as_dict(),
        "agree": sum(each.agrees for _, each in pairs),
        "of": len(pairs),
        "points": [
            {
                "part": point.part,
                "epoch": point.epoch,
                "published_sd": point.sd,
                **each.as_dict(),
            }
            for point, each in pairs
        ],
    }


def against_author(ours: Setting) -> Agreement:
    """Compare the author's single published number, whose spread is unknown, with our seeds."""
    return agreement(list(ours.test.values()), AUTHOR_TEST, published_sd=0.0, published_n=1)


def author_as_dict(ours: Setting) -> dict[str, Any]:
    """Return that comparison for JSON."""
    return {
        "experiment": ours.experiment,
        **against_author(ours).as_dict(),
        "test": ours.summary("test").as_dict(),
        "validation": ours.summary("validation").as_dict(),
    }


def splits_as_dict(settings: Sequence[Setting]) -> dict[str, Any]:
    """Return the variances due to splits (rows) and seeds (columns), for JSON.

    Args:
        settings: that differ in `split.seed` only, all with the same seeds.
    """
    return {
        part: asdict(
            cross(
                {
                    (setting.experiment["split"]["seed"], seed): accuracy
                    for setting in settings
                    for seed, accuracy in setting.summary(part).per_seed.items()
                }
            )
        )
        for part in ("validation", "test")
    }


# --- preprocessing -----------------------------------------------------------------------------


def label(preprocess: Mapping[str, Any]) -> str:
    """Return a name for a preprocessor's settings."""
    if preprocess["method"] == "raw":
        return "raw"
    if preprocess["method"] == "standardise":
        kinds = {"scalar": "standardised by scalars", "per_feature": "standardised per feature"}
        return kinds[preprocess["statistics"]]
    return f"{preprocess['rotation'].upper()}, ε = {preprocess['epsilon']:g}"


BASELINE = "standardised by scalars"  # as in params.yaml


@dataclass(frozen=True)
class Preprocessed:
    """A way of preprocessing: its effect on the inputs, and its results.

    Attributes:
        name: see `label`.
        setting: the results of its seeds.
        effect: see `pipeline.data.effect`.
    """

    name: str
    setting: Setting
    effect: Mapping[str, Any]

    def largest(self, part: str) -> float:
        """Return the largest absolute input of a part's images."""
        return float(self.effect["parts"][part]["largest"])


EFFECTS = (
    *("inputs", "constant_pixels", "null_directions", "weakest_deviation"),
    "covariance_distance_from_identity",
)


def preprocessing_as_dict(ways: Sequence[Preprocessed]) -> list[dict[str, Any]]:
    """Return every way of preprocessing, and compare its test accuracy with `BASELINE`'s."""
    right = {way.name: way.setting.right for way in ways}
    baseline = right.pop(BASELINE)
    pairs = compare_all(right, baseline)
    parts = ("train", "validation", "test")
    return [
        {
            "name": way.name,
            "preprocess": way.setting.experiment["preprocess"],
            **{name: way.effect[name] for name in EFFECTS},
            "largest_input": {part: way.largest(part) for part in parts},
            **{part: way.setting.summary(part).as_dict() for part in parts},
            **({"against_baseline": pairs[way.name].as_dict()} if way.name in pairs else {}),
        }
        for way in ways
    ]

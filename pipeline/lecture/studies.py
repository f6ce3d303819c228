"""Compare the lecture's results on MNIST with ours, and ways of preprocessing with each other.

Convention: accuracies are shares, one value per seed. This module reads no files: `Setting` holds
the results of one configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.preprocessing import label
from pipeline.lecture import cosine
from pipeline.lecture.published import (
    AUTHOR_TEST,
    COSINE_NOISE,
    COSINE_OUTPUT,
    FIVE_RUNS,
    RUNS,
    Point,
)
from pipeline.results.crossed import Crossed
from pipeline.results.statistics import (
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
    def name(self) -> str:
        """How its inputs are preprocessed."""
        return label(self.experiment["preprocess"])

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


def against_five_runs(ours: Setting, published: Sequence[Point] = FIVE_RUNS) -> dict[str, Any]:
    """Compare each of the lecture's points with our seeds, for JSON; see `statistics.agreement`."""
    values = ours.values()
    points = []
    for point in published:
        after = values[point.part][:, 0 if point.part == "test" else point.epoch - 1]
        compared = agreement(after.tolist(), point.mean, point.sd, RUNS)
        points.append(
            {
                "part": point.part,
                "epoch": point.epoch,
                "published_sd": point.sd,
                **compared._asdict(),
            }
        )
    return {
        "experiment": ours.experiment,
        "seeds": list(ours.right),
        "test": ours.summary("test").as_dict(),
        "agree": sum(point["agrees"] for point in points),
        "of": len(points),
        "points": points,
    }


def against_author(ours: Setting) -> dict[str, Any]:
    """Compare the author's single number, whose spread is unknown, with our seeds, for JSON."""
    compared = agreement(list(ours.test.values()), AUTHOR_TEST, published_sd=0.0, published_n=1)
    return {
        "experiment": ours.experiment,
        **compared._asdict(),
        "test": ours.summary("test").as_dict(),
        "validation": ours.summary("validation").as_dict(),
    }


def by_split(settings: Sequence[Setting], part: str) -> dict[tuple[int, int], float | None]:
    """Return accuracy after the last epoch by split and seed.

    Args:
        settings: that differ in `split.seed` only, all with the same seeds.
        part: of the data.
    """
    return {
        (setting.experiment["split"]["seed"], seed): accuracy
        for setting in settings
        for seed, accuracy in setting.summary(part).per_seed.items()
    }


def variances(settings: Sequence[Setting]) -> dict[str, Crossed]:
    """Return the variances due to splits (rows) and seeds (columns) by part; see `by_split`."""
    return {part: cross(by_split(settings, part)) for part in ("validation", "test")}


BASELINE = "standardise"  # as in params.yaml
PARTS = ("train", "validation", "test")
EFFECTS = (
    *("inputs", "constant_pixels", "null_directions", "weakest_deviation"),
    "covariance_distance_from_identity",
)


def preprocessing(
    ways: Sequence[Setting], effects: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return every way of preprocessing, its test accuracy compared with `BASELINE`'s, for JSON.

    Args:
        ways: the results of each.
        effects: of each on the inputs; see `pipeline.data.effect`.
    """
    right = {way.name: way.right for way in ways}
    baseline = right.pop(BASELINE)
    pairs = compare_all(right, baseline)
    return [
        {
            "preprocess": way.experiment["preprocess"],
            **{name: effect[name] for name in EFFECTS},
            "largest_input": {part: effect["parts"][part]["largest"] for part in PARTS},
            **{part: way.summary(part).as_dict() for part in PARTS},
            **({"against_baseline": pairs[way.name].as_dict()} if way.name in pairs else {}),
        }
        for way, effect in zip(ways, effects, strict=True)
    ]


# --- denoising a cosine ------------------------------------------------------------------------

HIDDEN = (5, 10, 50, 100)
LEARNING_RATES = (0.001, 0.01, 0.1)
TRIAL_SEEDS = (100, 101, 102)


def cosines() -> dict[str, Any]:
    """Denoise with every seed and try all settings; return the errors and the slide's, for JSON."""
    denoised = {seed: cosine.denoise(seed) for seed in cosine.SEEDS}
    return {
        "slide": {"output": COSINE_OUTPUT, "noise": COSINE_NOISE},
        "chosen": {"hidden": cosine.CHOSEN_HIDDEN, "learning_rate": cosine.CHOSEN_LEARNING_RATE},
        "mean_squared_error": {
            name: summarise({s: getattr(each, name) for s, each in denoised.items()}).as_dict()
            for name in ("own", "fresh", "nothing", "noise")
        },
        "tried": {
            "seeds": list(TRIAL_SEEDS),
            "settings": [
                _trial(hidden, learning_rate)
                for hidden in HIDDEN
                for learning_rate in LEARNING_RATES
            ],
        },
    }


def _trial(hidden: int, learning_rate: float) -> dict[str, float]:
    trials = [
        cosine.denoise(seed, hidden=hidden, learning_rate=learning_rate) for seed in TRIAL_SEEDS
    ]
    return {
        "hidden": hidden,
        "learning_rate": learning_rate,
        "own": float(np.mean([trial.own for trial in trials])),
        "fresh": float(np.mean([trial.fresh for trial in trials])),
    }

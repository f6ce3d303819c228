"""Published numbers beside ours: the arithmetic on made-up runs, and what is committed."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pipeline.base.config import compose, experiment
from pipeline.base.errors import UserError
from pipeline.base.files import read_json
from pipeline.base.paths import Paths, find_root
from pipeline.data.effect import effect
from pipeline.data.prepared import load
from pipeline.lecture.published import AUTHOR_TEST, Point
from pipeline.lecture.studies import (
    Setting,
    against_author,
    against_five_runs,
    preprocessing,
    variances,
)
from pipeline.results.statistics import agreement
from tests.conftest import Checkout

PATHS = Paths(find_root())
COMMITTED = read_json(PATHS.studies)


def setting(test: list[float]) -> Setting:
    curves = {
        part: {seed: [value - 0.1, value] for seed, value in enumerate(test)}
        for part in ("train", "validation")
    }
    experiment: dict[str, dict[str, object]] = {
        "preprocess": {"method": "raw"},
        "training": {"epochs": 2},
    }
    images = np.arange(1_000_000)
    right = {seed: images < value * len(images) for seed, value in enumerate(test)}
    return Setting(experiment, curves, right)


def test_a_published_point_is_compared_with_the_runs_of_its_part_and_epoch() -> None:
    ours = [0.90, 0.91, 0.93, 0.92]
    (found,) = against_five_runs(setting(ours), [Point("test", 2, 0.915, 0.911, 0.919)])["points"]
    expected = agreement(ours, published=0.915, published_sd=0.004, published_n=5)
    assert found["ci95"] == pytest.approx(expected.ci95)
    assert found["agrees"] == expected.agrees


def test_epochs_count_from_one() -> None:
    ours = setting([0.9, 0.92])
    points = [Point("train", 1, 0.81, 0.8, 0.82), Point("train", 2, 0.91, 0.9, 0.92)]
    first, second = against_five_runs(ours, points)["points"]
    assert first["ours"] == pytest.approx(0.81)
    assert second["ours"] == pytest.approx(0.91)


def test_a_single_published_number_is_one_more_run_of_ours() -> None:
    """ours ± t(4) s √(1 + 1/5) around it, worked by hand."""
    ours = [0.97, 0.972, 0.974, 0.976, 0.978]
    half = stats.t.ppf(0.975, 4) * np.std(ours, ddof=1) * np.sqrt(1.2)
    found = against_author(setting(ours))
    np.testing.assert_allclose(found["ci95"], (AUTHOR_TEST - half, AUTHOR_TEST + half), rtol=1e-6)


def test_ways_of_preprocessing_are_paired_with_the_baseline_and_adjusted() -> None:
    effect = {
        "inputs": 4, "constant_pixels": 0, "null_directions": 0, "weakest_deviation": 1.0,
        "covariance_distance_from_identity": 0.5,
        "parts": {part: {"largest": 2.0} for part in ("train", "validation", "test")},
    }  # fmt: skip
    rng = np.random.default_rng(0)
    base = (0.98 + 0.001 * rng.normal(size=10)).tolist()
    epsilon = {"method": "whiten", "rotation": "zca"}
    ways = [
        replace(way, experiment={**way.experiment, "preprocess": preprocess})
        for preprocess, shift in (
            ({"method": "standardise", "statistics": "scalar"}, 0.0),
            ({**epsilon, "epsilon": 0.1}, -0.01),
            ({**epsilon, "epsilon": 0.01}, -0.1),
        )
        for way in (setting([value + shift for value in base]),)
    ]
    rows = preprocessing(ways, [effect] * 3)
    assert "against_baseline" not in rows[0]
    for row, shift in zip(rows[1:], (-0.01, -0.1), strict=True):
        found = row["against_baseline"]
        assert found["mean_difference"] == pytest.approx(shift)
        assert found["p"] == 2 / 2**10
        assert found["p_holm"] == pytest.approx(2 * 2 / 2**10)
        assert found["verdict"] == "smaller"
        assert found["p_larger"] == 0


def test_splits_and_seeds_have_separate_variances() -> None:
    """Split s adds s percentage points, a seed none: the variance of 0, 1, 2 and no other."""
    settings = []
    for split in range(3):
        each = setting([0.9 + split / 100] * 2)
        settings.append(replace(each, experiment={**each.experiment, "split": {"seed": split}}))
    for found in variances(settings).values():
        assert (found.rows, found.columns) == (3, 2)
        assert found.row == pytest.approx(0.01**2)
        assert (found.column, found.rest) == pytest.approx((0, 0), abs=1e-12)


def test_the_effect_of_preprocessing_is_that_on_the_data_of_the_runs(checkout: Checkout) -> None:
    from pipeline.stages.studies import effects

    of_runs = compose(checkout.paths, ["split.method=first", "split.train=100"])
    data = load(of_runs, checkout.paths)
    expected = effect(data.fit(), {name: part.raw for name, part in data.parts.items()})
    found = effects(Setting(experiment(of_runs), {}, {}), checkout.paths)
    assert found["parts"] == expected["parts"]


def test_a_study_without_its_sweeps_says_what_to_do(checkout: Checkout) -> None:
    done = checkout.run("pipeline.stages.studies", check=False)
    assert done.returncode == 2
    assert "runs.csv is missing; `make lecture` runs the sweep" in done.stderr


# --- what is committed ---


def test_the_committed_means_are_those_of_the_committed_runs() -> None:
    with PATHS.studies_runs.open(newline="") as file:
        rows = list(csv.DictReader(file))

    def mean(study: str, name: str, part: str, epoch: int) -> float:
        key = (study, name, part, str(epoch))
        fields = ("study", "configuration", "split", "epoch")
        found = [float(r["accuracy"]) for r in rows if tuple(r[f] for f in fields) == key]
        return float(np.mean(found))

    for point in COMMITTED["five_runs"]["points"]:
        found = mean("five runs", "lecture", point["part"], point["epoch"])
        assert found == pytest.approx(point["ours"])
    assert mean("author", "author", "test", 5) == pytest.approx(COMMITTED["author"]["ours"])
    assert len(COMMITTED["preprocessing"]) == 11
    names = dict.fromkeys(r["configuration"] for r in rows if r["study"] == "preprocessing")
    for name, row in zip(names, COMMITTED["preprocessing"], strict=True):
        assert row["test"]["n"] == 10
        found = mean("preprocessing", name, "test", 10)
        assert found == pytest.approx(row["test"]["mean"])


def test_a_failed_run_is_refused_by_name(checkout: Checkout) -> None:
    from pipeline.stages.studies import settings

    folder = checkout.paths.sweeps / "five_runs"
    folder.mkdir(parents=True)
    (folder / "runs.csv").write_text("record\nabc\n")
    with pytest.raises(UserError, match="abc: it is not complete"):
        settings(checkout.paths, "five_runs")

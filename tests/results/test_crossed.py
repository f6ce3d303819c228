"""Crossed factors: worked by hand, a published example, and simulations with known variances."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pipeline.results.crossed import Crossed, crossed
from pipeline.results.statistics import summarise

# Diameters of growth, mm: 24 plates, each with the same 6 samples of penicillin.
# O. L. Davies and P. L. Goldsmith, Statistical Methods in Research and Production, 4th edition
# (1972), section 6.6; as lme4 has it.
PENICILLIN = """
27 23 26 23 23 21  27 23 26 23 23 21  25 21 25 24 24 20  26 23 25 23 23 20
25 22 26 22 23 20  24 22 25 23 22 19  24 20 23 21 22 19  26 22 26 24 24 21
24 21 24 22 22 20  24 21 24 23 22 19  26 23 26 24 24 21  25 22 26 24 24 20
26 24 26 24 25 22  26 23 26 23 23 20  26 23 25 24 24 22  25 22 25 23 23 20
25 21 24 23 23 20  25 22 24 23 23 19  24 21 23 21 21 19  26 23 26 24 24 21
25 21 24 22 22 18  25 22 25 22 22 20  24 21 24 22 24 19  24 21 24 22 21 18
"""


def test_the_penicillin_assay_gives_what_lme4_documents() -> None:
    """Standard deviations 0.8467, 1.9316, 0.5499; mean 22.9722 with standard error 0.8086."""
    plates = np.array(PENICILLIN.split(), float).reshape(24, 6)
    found = crossed(plates)
    deviations = np.sqrt([found.row, found.column, found.rest])
    np.testing.assert_allclose(deviations, [0.8467, 1.9316, 0.5499], atol=5e-5)
    assert found.mean == pytest.approx(22.9722, abs=5e-5)
    assert np.sqrt(sum(found.parts())) == pytest.approx(0.8086, abs=5e-5)


def test_a_table_worked_by_hand() -> None:
    """Rows (1, 2), (3, 8): mean 3.5, row means 1.5 and 5.5, column means 2 and 5.

    MS_row = 2·8 = 16, MS_column = 2·4.5 = 9, remainders ±1, so MS_rest = 4.
    """
    found = crossed(np.array([[1, 2], [3, 8]]))
    assert found == Crossed(2, 2, 3.5, row=6.0, column=2.5, rest=4.0)
    assert found.parts() == (3.0, 1.25, 1.0)
    t = 12.7062
    same, new = found.half_widths()
    assert same == pytest.approx(t * np.sqrt((6 + 4 / 2) / 2), rel=1e-5)
    assert new == pytest.approx(np.sqrt(same**2 + t**2 * 2.5 / 2), rel=1e-5)
    assert found.intervals() == ((3.5 - same, 3.5 + same), (3.5 - new, 3.5 + new))


def right_answers(n: int, N: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    hard, seeds = rng.beta(20, 1, size=N), rng.normal(0, 0.02, (n, 1))
    return rng.random((n, N)) < np.clip(hard + seeds, 0, 1)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_the_variance_of_seeds_is_jordans(n: int) -> None:
    """K. Jordan, arXiv:2304.01910: [N² Var_s(accuracy) − Σ_i Var_s(C_i)] / (N (N − 1))."""
    N = 300
    C = right_answers(n, N, np.random.default_rng(n)).astype(float)
    of_accuracy = C.mean(axis=1).var(ddof=1)
    of_images = C.var(axis=0, ddof=1)
    jordan = (N**2 * of_accuracy - of_images.sum()) / (N * (N - 1))
    assert crossed(C).row == pytest.approx(jordan, rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_the_first_interval_is_students(n: int) -> None:
    right = right_answers(n, 200, np.random.default_rng(n))
    per_seed = dict(enumerate(right.mean(axis=1).tolist()))
    assert crossed(right).intervals()[0] == pytest.approx(summarise(per_seed).ci95)


def test_a_plan_for_the_seeds_that_are_there_is_what_is_there() -> None:
    found = crossed(right_answers(5, 400, np.random.default_rng(0)))
    assert found.half_widths(5) == found.half_widths()
    widths = np.array([found.half_widths(n) for n in (2, 3, 5, 10, 100, 10**9)])
    assert (np.diff(widths, axis=0) < 0).all()
    assert (widths[:, 1] >= widths[:, 0]).all()
    assert widths[-1, 1] == pytest.approx(stats.t.ppf(0.975, 399) * np.sqrt(found.column / 400))


def test_a_variance_below_zero_adds_nothing_to_an_interval() -> None:
    """Columns that differ less than what remains would make them: MS_column = 0."""
    found = crossed(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert found.column < 0
    assert found.half_widths()[1] == found.half_widths()[0]


@pytest.mark.parametrize("ratio", [0.03, 0.3, 3.0])
@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_simulated_coverage_of_both_intervals(n: int, ratio: float) -> None:
    """Tables with known variances, σ²_seed / n : σ²_image / N = `ratio`, N = 500.

    The first is about the mean over these images, the second about that over all images.
    """
    N, draws = 500, 4_000
    rng = np.random.default_rng([n, int(100 * ratio)])
    seed_sd = np.sqrt(ratio * n / N)
    hits = np.zeros(2)
    for _ in range(draws):
        images = rng.normal(size=N)
        table = seed_sd * rng.normal(size=(n, 1)) + images + 0.7 * rng.normal(size=(n, N))
        found = crossed(table)
        truths = images.mean(), 0.0
        distances = [abs(found.mean - truth) for truth in truths]
        hits += np.array(distances) <= found.half_widths()
    first, second = hits / draws
    assert 0.93 <= first <= 0.97
    assert 0.94 <= second <= (0.97 if n >= 5 else 0.99)


@pytest.mark.parametrize("deviations", [(1, 1, 1), (1, 0, 1), (0, 1, 1), (0, 0, 1), (1, 1, 0.1)])
def test_simulated_coverage_with_four_splits_and_four_seeds(
    deviations: tuple[float, float, float],
) -> None:
    split, seed, both = deviations
    rng, draws = np.random.default_rng(0), 4_000
    rows, columns = split * rng.normal(size=(draws, 4, 1)), seed * rng.normal(size=(draws, 1, 4))
    tables = rows + columns + both * rng.normal(size=(draws, 4, 4))
    found = map(crossed, tables)
    assert 0.94 <= np.mean([abs(each.mean) <= each.half_widths()[1] for each in found]) <= 0.99


def test_estimates_are_without_bias() -> None:
    """4,000 tables of 4 x 30: the mean of each estimate lies within four of its standard errors."""
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(4_000, 4, 1)) * 0.3 + rng.normal(size=(4_000, 1, 30)) * 0.5
    tables += rng.normal(size=tables.shape) * 0.8
    found = [crossed(table) for table in tables]
    estimates = np.array([(each.row, each.column, each.rest) for each in found])
    errors = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - [0.09, 0.25, 0.64]) < 4 * errors).all()

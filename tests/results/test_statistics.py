"""Statistics over seeds, against scipy, by hand, and by what must hold for any values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.errors import UserError
from pipeline.results.statistics import (
    agreement,
    binomial_standard_error,
    compare,
    holm,
    sign_flip,
    summarise,
)

VALUES = {0: 0.98, 1: 0.97, 2: 0.985, 3: 0.981, 4: 0.979}


def test_summary_agrees_with_scipy() -> None:
    sample = list(VALUES.values())
    found = summarise(VALUES)
    expected = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert found.n == found.declared == 5
    assert found.mean == pytest.approx(np.mean(sample))
    assert found.sd == pytest.approx(stats.tstd(sample))
    assert found.ci95 == pytest.approx((expected.low, expected.high))
    assert (found.min, found.max) == (0.97, 0.985)


def test_summary_by_hand() -> None:
    """Values 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.302653, interval 2 ± 4.302653/√3."""
    found = summarise({0: 1.0, 1: 2.0, 2: 3.0})
    assert (found.mean, found.sd) == (2.0, 1.0)
    assert found.ci95 == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)


def test_a_failed_seed_is_counted_shown_and_not_averaged() -> None:
    found = summarise({**VALUES, 5: None, 6: math.nan})
    assert (found.n, found.declared) == (5, 7)
    assert found.mean == summarise(VALUES).mean
    assert found.as_dict()["per_seed"]["5"] is None
    assert found.as_dict()["failed"] == [5, 6]
    assert "n = 5 of 7 seeds" in found.percent()


def test_one_seed_has_no_interval() -> None:
    found = summarise({3: 0.5})
    assert (found.n, found.mean, found.sd, found.ci95) == (1, 0.5, None, None)
    assert "no interval" in found.percent()


def test_no_seed_finished() -> None:
    found = summarise({0: None, 1: None})
    assert (found.n, found.mean, found.ci95) == (0, None, None)
    assert "0 of 2" in found.percent()


def test_percent_reads_well() -> None:
    text = summarise(VALUES).percent()
    assert text.startswith(
        "97.90 ± 0.55 % (mean ± standard deviation, n = 5 seeds; 95 % interval of"
    )


def test_the_interval_covers_the_mean_in_95_of_100_cases() -> None:
    """20,000 samples of n = 5: the share is binomial, its standard error 0.0015."""
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(20_000, 5))
    half = stats.t.ppf(0.975, 4) * samples.std(axis=1, ddof=1) / 5**0.5
    one = summarise(dict(enumerate(samples[0])))
    assert one.ci95 == pytest.approx((samples[0].mean() - half[0], samples[0].mean() + half[0]))
    assert abs(np.mean(np.abs(samples.mean(axis=1)) <= half) - 0.95) < 4 * 0.0015


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12),
    st.floats(-100, 100),
    st.floats(0.01, 100),
)
def test_summary_moves_and_scales_with_its_values(
    values: list[float], shift: float, scale: float
) -> None:
    plain = summarise(dict(enumerate(values)))
    moved = summarise({seed: shift + scale * value for seed, value in enumerate(values)})
    assert plain.sd is not None
    assert plain.mean is not None
    assert moved.mean == pytest.approx(shift + scale * plain.mean, abs=1e-6)
    assert moved.sd == pytest.approx(scale * plain.sd, abs=1e-6)


def test_binomial_standard_error_of_the_test_set() -> None:
    assert binomial_standard_error(0.98, 10_000) == pytest.approx(0.0014)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_sign_flip_agrees_with_scipys_exact_test(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.5, 1, n)
    if n == 1:
        expected = 1.0  # both patterns are as far from zero
    else:
        expected = stats.permutation_test(
            (differences,),
            lambda x, axis: np.abs(np.mean(x, axis=axis)),
            permutation_type="samples",
            alternative="greater",
            vectorized=True,
        ).pvalue
    assert sign_flip(list(differences)) == pytest.approx(expected)


def test_sign_flip_by_hand() -> None:
    """Differences 1, 2, 3 sum to 6: of 8 patterns only +++ and --- reach it."""
    assert sign_flip([1.0, 2.0, 3.0]) == 2 / 8


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=9))
def test_sign_flip_is_a_probability_that_n_bounds_from_below(differences: list[float]) -> None:
    p = sign_flip(differences)
    assert 2.0 ** (1 - len(differences)) <= p <= 1
    assert sign_flip([-d for d in differences]) == p


def test_sign_flip_beyond_enumeration_stays_close_to_the_exact_value() -> None:
    differences = list(np.random.default_rng(3).normal(0.3, 1, 21))
    drawn = sign_flip(differences)
    exact_of_20 = sign_flip(differences[:20])
    assert 0 < drawn < 1
    t_test = stats.ttest_1samp(differences, 0).pvalue
    assert drawn == pytest.approx(t_test, abs=0.02)
    assert exact_of_20 == pytest.approx(stats.ttest_1samp(differences[:20], 0).pvalue, abs=0.02)


def test_comparison_pairs_the_same_seeds() -> None:
    first = {0: 3.0, 1: 5.0, 2: None, 7: 1.0}
    found = compare(first, {1: 4.0, 0: 1.0, 2: 2.0, 9: 0.0})
    assert found.seeds == (0, 1)
    assert found.mean_difference == 1.5
    assert found.verdict(found.p_value) == "n too small to call"


def test_comparison_of_six_clear_pairs() -> None:
    first = {seed: 1.0 + seed / 100 for seed in range(6)}
    second = dict.fromkeys(range(6), 0.5)
    found = compare(first, second)
    assert found.p_value == 2 / 64
    assert found.verdict(found.p_value) == "first is larger"
    assert compare(second, first).verdict(found.p_value) == "first is smaller"
    assert found.verdict(0.2) == "no difference shown"


def test_comparison_without_a_common_seed() -> None:
    with pytest.raises(UserError, match="no seed finished in both"):
        compare({0: 1.0, 1: None}, {1: 1.0})


def test_holm_by_hand() -> None:
    """0.01·4 = 0.04; 0.03·3 = 0.09; 0.04·2 = 0.08, raised to 0.09; 0.05·1, raised to 0.09."""
    assert holm([0.04, 0.01, 0.05, 0.03]) == pytest.approx([0.09, 0.04, 0.09, 0.09])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_agreement_by_hand() -> None:
    """s = 1 in both, n = m = 3: half-width t(0.975, 4) · √(2/3) = 2.776445 · 0.816497."""
    found = agreement([1.0, 2.0, 3.0], published=4.0, published_sd=1.0, published_n=3)
    half = 2.776445 * (2 / 3) ** 0.5
    assert found.ci95 == pytest.approx((4 - half, 4 + half), rel=1e-6)
    assert found.agrees
    assert not agreement([1.0, 2.0, 3.0], 5.0, 1.0, 3).agrees


def test_agreement_is_the_two_sample_t_test() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 1, 5), rng.normal(1.4, 1, 5)
    found = agreement(list(ours), float(theirs.mean()), float(theirs.std(ddof=1)), 5)
    assert found.agrees == (stats.ttest_ind(ours, theirs).pvalue >= 0.05)

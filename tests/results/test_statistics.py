"""Statistics over seeds, against scipy, by hand, and by what must hold for any values."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pipeline.base.errors import UserError
from pipeline.results.crossed import crossed
from pipeline.results.statistics import (
    Summary,
    agreement,
    compare,
    compare_all,
    cross,
    deviation_limits,
    fewest_pairs,
    holm,
    pairs_needed,
    sign_flip,
    summarise,
    superiority,
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
    assert found.percent() == "50.00 % (n = 1 seed, so no interval)"
    failed = summarise({0: None, 3: 0.5, 4: None})
    assert failed.percent() == "50.00 % (n = 1 of 3 seeds, so no interval)"


def test_no_seed_finished() -> None:
    found = summarise({0: None, 1: None})
    assert (found.n, found.mean, found.ci95) == (0, None, None)
    assert "0 of 2" in found.percent()


def test_percent_reads_well() -> None:
    text = summarise(VALUES).percent()
    assert text.startswith(
        "97.90 ± 0.55 % (mean ± standard deviation, n = 5 seeds; 95 % interval of"
    )


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


def test_an_interval_of_shares_is_cut_where_no_share_can_lie() -> None:
    """Two seeds, 0.9 and 1: Student's interval is 0.95 ± 12.7 · 0.05."""
    values = {0: 0.9, 1: 1.0}
    half = 12.7062 * 0.05
    assert summarise(values).ci95 == pytest.approx((0.95 - half, 0.95 + half), rel=1e-5)
    assert summarise(values, share=True).ci95 == pytest.approx((0.95 - half, 1.0), rel=1e-5)
    assert summarise({0: 0.0, 1: 0.1}, share=True).ci95 == pytest.approx((0, 0.05 + half), rel=1e-5)


def test_a_summary_with_images_says_both_intervals() -> None:
    right = np.random.default_rng(0).random((5, 1_200)) < np.linspace(0.8, 1, 1_200)
    accuracies = dict(enumerate(right.mean(axis=1).tolist()))
    found = summarise(accuracies, share=True, effects=crossed(right))
    assert found.ci95 is not None
    assert found.ci95_new_images is not None
    assert found.ci95_new_images[0] < found.ci95[0] < found.ci95[1] < found.ci95_new_images[1]
    for limits, question in (
        (found.ci95, "these 1,200 test images, new seeds"),
        (found.ci95_new_images, "new images and new seeds"),
    ):
        assert f"{question}: {100 * limits[0]:.2f} to {100 * limits[1]:.2f} %" in found.percent()
    assert "these 1,200 test examples, new seeds" in found.percent("examples")
    assert "images" not in found.percent("examples")
    assert Summary.of_shares(json.loads(json.dumps(found.as_dict()))) == found


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


def test_sign_flip_beyond_enumeration_is_within_its_sampling_error_of_the_exact_value() -> None:
    """Exact: the sums of 10 differences with all signs, each added to each of the other 11."""
    differences = np.random.default_rng(3).normal(0.3, 1, 21)
    signs = (np.array(list(itertools.product((-1.0, 1.0), repeat=n))) for n in (10, 11))
    ten, eleven = (next(signs) @ part for part in np.split(differences, [10]))
    exact = np.mean(np.abs(np.add.outer(ten, eleven)) >= abs(differences.sum()) - 1e-12)
    error = np.sqrt(exact * (1 - exact) / 10**6)
    assert sign_flip(list(differences)) == pytest.approx(exact, abs=4 * error)


def answers(*accuracies: float, images: int = 100) -> dict[int, NDArray[np.bool_]]:
    """Return seeds that are right on the first images, so many that they have these accuracies."""
    return {seed: np.arange(images) < share * images for seed, share in enumerate(accuracies)}


def test_comparison_pairs_the_same_seeds_and_images() -> None:
    first = {0: [1, 1, 1, 0], 1: [1, 1, 1, 1], 2: None, 7: [0, 0, 0, 0]}
    second = {1: [0, 1, 1, 1], 0: [1, 0, 0, 0], 2: [1, 1, 1, 1], 9: [0, 0, 0, 0]}
    ours, theirs = (
        {seed: None if right is None else np.array(right, bool) for seed, right in each.items()}
        for each in (first, second)
    )
    found = compare(ours, theirs)
    assert found.seeds == (0, 1)
    assert found.differences == (0.5, 0.25)
    assert found.mean_difference == 0.375
    assert found.effects == crossed(np.array([[0, 1, 1, 0], [1, 0, 0, 0]]))
    assert found.verdict == "too few seeds"


def test_comparison_of_six_clear_pairs() -> None:
    first, second = answers(*(0.9 + seed / 100 for seed in range(6))), answers(*[0.5] * 6)
    found = compare(first, second)
    assert found.p_value == 2 / 64
    assert found.verdict == "larger"
    assert compare(second, first).verdict == "smaller"
    assert replace(found, p_holm=0.2).verdict == "no difference shown"


def test_comparisons_are_adjusted_for_their_number() -> None:
    baseline = answers(*[0.5] * 6)
    better = answers(*(0.9 + seed / 100 for seed in range(6)))
    found = compare_all({"better": better, "same": baseline}, baseline)
    assert (found["better"].p_holm, found["same"].p_holm) == (2 * 2 / 64, 1.0)
    assert found["better"].verdict == "too few seeds"


def test_one_pair_has_no_interval() -> None:
    found = compare(answers(0.9), answers(0.8))
    assert found.effects is None
    assert found.as_dict()["ci95_new_images"] is None


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(UserError, match="no seed finished in both"):
        compare({0: np.array([True]), 1: None}, {1: np.array([True])})


def test_superiority_by_hand() -> None:
    """5 of 5: 0.025^(1/5) = 0.478; ties count half, and have no part in the interval."""
    assert superiority([1.0] * 5)[1] == pytest.approx((0.025**0.2, 1.0))
    assert superiority([-1.0] * 5)[1] == pytest.approx((0.0, 1 - 0.025**0.2))
    assert superiority([0.0, 0.0]) == (0.5, (0.0, 1.0))
    share, limits = superiority([1.0, 1.0, 1.0, -1.0, 0.0])
    assert share == 0.7
    assert limits == pytest.approx(stats.binomtest(3, 4).proportion_ci())


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=30))
def test_superiority_agrees_with_scipys_exact_interval(differences: list[float]) -> None:
    better, worse = differences.count(1.0), differences.count(-1.0)
    share, limits = superiority(differences)
    assert share + superiority([-d for d in differences])[0] == pytest.approx(1)
    if better + worse:
        expected = stats.binomtest(better, better + worse).proportion_ci()
        assert limits == pytest.approx(tuple(expected), abs=1e-12)


def test_the_fewest_pairs_are_those_whose_smallest_p_value_is_small_enough() -> None:
    assert [fewest_pairs(m) for m in (1, 2, 10)] == [6, 7, 9]
    for comparisons in range(1, 40):
        n = fewest_pairs(comparisons)
        assert comparisons * sign_flip([1.0] * n) <= 0.05 < comparisons * sign_flip([1.0] * (n - 1))


def test_the_interval_of_a_deviation_is_that_of_statisticians_tables() -> None:
    """n = 5: √(4 / 11.143) = 0.60 and √(4 / 0.4844) = 2.87 times the one seen."""
    assert deviation_limits(2.0, 5) == pytest.approx((2 * 0.5991, 2 * 2.8736), abs=1e-3)


@pytest.mark.parametrize(
    ("effect", "comparisons"), [(2.5, 1), (1.8, 1), (1.3, 1), (1.0, 1), (1.5, 10)]
)
def test_the_pairs_needed_show_the_difference_in_80_of_100_simulations(
    effect: float, comparisons: int
) -> None:
    """4,000 samples: the standard error of a power is 0.0063. One pair less is not enough."""
    n = pairs_needed(effect, 1.0, comparisons)
    assert simulated_power(effect, n, comparisons) >= 0.8 - 3 * 0.0063
    assert simulated_power(effect, n - 1, comparisons) <= 0.8 + 3 * 0.0063


def simulated_power(effect: float, n: int, comparisons: int) -> float:
    """Return how often the sign-flip test is significant, of 4,000 normal samples."""
    samples = np.random.default_rng(n).normal(effect, 1.0, (4_000, n))
    patterns = np.array(list(itertools.product((-1.0, 1.0), repeat=n)))
    called = 0
    for some in np.split(samples, 40):
        enough = np.abs(some.sum(axis=1, keepdims=True)) - 1e-12
        p = np.mean(np.abs(some @ patterns.T) >= enough, axis=1)
        called += int(np.sum(p * comparisons <= 0.05))
    return called / len(samples)


def test_the_pairs_needed_have_a_floor_and_a_ceiling() -> None:
    assert pairs_needed(0.001, 0.0) == fewest_pairs()
    assert pairs_needed(0.001, 0.0, comparisons=10) == fewest_pairs(10)
    assert pairs_needed(1e-9, 1.0) == 1_000
    needed = [pairs_needed(0.001, sd) for sd in (0.0003, 0.001, 0.003, 0.01)]
    assert needed == sorted(needed)
    # Of Student's t-test, as in J. Cohen's tables (1988): d = 0.5 needs 34 pairs.
    assert pairs_needed(0.5, 1.0) == 34


def test_splits_and_seeds_have_to_be_crossed() -> None:
    accuracies: dict[tuple[int, int], float | None] = {
        (split, seed): 0.9 + 0.01 * split + 0.001 * seed for split in (0, 1) for seed in (0, 1, 2)
    }
    found = cross(accuracies)
    assert (found.rows, found.columns) == (2, 3)
    assert found.row == pytest.approx(0.01**2 / 2)
    assert found.column == pytest.approx(0.001**2)
    missing = {run: value for run, value in accuracies.items() if run != (1, 2)}
    for broken in (accuracies | {(1, 2): None}, missing):
        with pytest.raises(UserError, match="split.seed = 1, seed = 2 is missing or failed"):
            cross(broken)
    with pytest.raises(UserError, match=r"splits \[0, 1\], seeds \[3\]: allowed are at least two"):
        cross({(0, 3): 0.9, (1, 3): 0.8})


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


@pytest.mark.parametrize("sd", [0.004, 0.02])
@pytest.mark.parametrize("mean", np.linspace(0.89, 0.95, 25))
def test_agreement_is_the_two_sample_t_test(mean: float, sd: float) -> None:
    ours = [0.90, 0.91, 0.93, 0.92]
    p = stats.ttest_ind_from_stats(np.mean(ours), np.std(ours, ddof=1), 4, mean, sd, 5).pvalue
    assert agreement(ours, mean, sd, 5).agrees == (p > 0.05)

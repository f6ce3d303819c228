"""Statistics over seeds.

Convention: one value per declared seed; None for a seed that failed, which is still counted.
The 95 % intervals of the mean are for new seeds on the same images, or for new seeds on new images.
The first is Student's t: at n = 5 it covers the mean in 95.2 % of simulated cases, ±1.96 standard
errors in 87.8 %, the percentile bootstrap in 83.4 %. `pipeline.results.crossed` computes the
second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, chdtri, nctdtr, ndtr, stdtrit

from pipeline.base.errors import UserError
from pipeline.results.crossed import CONFIDENCE, Crossed, Interval, as_share, crossed, student

NEW_SEEDS = "these images, new seeds"
NEW_IMAGES = "new images and new seeds"
METHOD = "95 % interval of the mean by Student's t"
METHODS = f"{METHOD}; for new images, by crossed random effects (Howe 1974)"
# 2^20 sign patterns are enumerated in a second; with more pairs, patterns are sampled.
MOST_ENUMERATED = 20
POWER = 0.8
MOST_PAIRS = 1_000


@dataclass(frozen=True)
class Summary:
    """One metric over the declared seeds.

    Attributes:
        per_seed: every declared seed's value; None for a failed one.
        share: whether values lie between 0 and 1, as accuracies do; intervals are cut there.
        effects: of seeds and images on accuracy; None if the answers to each image are unknown.
    """

    per_seed: dict[int, float | None]
    share: bool = False
    effects: Crossed | None = None

    @cached_property
    def _finished(self) -> NDArray[np.float64]:
        return np.array([value for value in self.per_seed.values() if value is not None])

    @property
    def declared(self) -> int:
        """The number of all seeds."""
        return len(self.per_seed)

    @property
    def n(self) -> int:
        """The number of seeds that have a value."""
        return len(self._finished)

    @property
    def mean(self) -> float | None:
        """The mean over n values; None if there are none."""
        return float(self._finished.mean()) if self.n else None

    @property
    def sd(self) -> float | None:
        """Standard deviation with n − 1 in the denominator; None for fewer than two values."""
        return float(self._finished.std(ddof=1)) if self.n > 1 else None

    @property
    def min(self) -> float | None:
        """The smallest value."""
        return float(self._finished.min()) if self.n else None

    @property
    def max(self) -> float | None:
        """The largest value."""
        return float(self._finished.max()) if self.n else None

    @property
    def ci95(self) -> Interval | None:
        """The interval of the mean for these images and new seeds; None below two values."""
        if self.mean is None or self.sd is None:
            return None
        limits = _interval(self.mean, self.sd / math.sqrt(self.n), self.n - 1)
        return as_share(limits) if self.share else limits

    @property
    def ci95_new_images(self) -> Interval | None:
        """The interval of the mean for new images and new seeds."""
        return None if self.effects is None else as_share(self.effects.intervals()[1])

    @classmethod
    def of_shares(cls, stored: Mapping[str, Any]) -> Summary:
        """Restore a summary of shares from what `as_dict` returned."""
        effects = None
        if "variance" in stored:
            variances = (stored["variance"][name] for name in ("seed", "image", "rest"))
            effects = Crossed(stored["n"], stored["images"], stored["mean"], *variances)
        return cls({int(seed): value for seed, value in stored["per_seed"].items()}, True, effects)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for JSON; failed seeds are listed if there are any."""
        values: dict[str, Any] = {
            **{name: getattr(self, name) for name in ("n", "mean", "sd", "min", "max")},
            "ci95_new_seeds": self.ci95,
            "per_seed": {str(seed): value for seed, value in self.per_seed.items()},
        }
        if self.effects is not None:
            values["ci95_new_images"] = self.ci95_new_images
            values["images"] = self.effects.columns
            values["variance"] = {
                "seed": self.effects.row,
                "image": self.effects.column,
                "rest": self.effects.rest,
            }
        failed = [seed for seed, value in self.per_seed.items() if value is None]
        return {**values, "failed": failed} if failed else values

    @property
    def count(self) -> str:
        """How many seeds have a value, such as `5` or `4 of 5`."""
        return str(self.n) if self.n == self.declared else f"{self.n} of {self.declared}"

    def short(self) -> str:
        """Return mean and standard deviation of a share, in percent."""
        if self.mean is None:
            return "none finished"
        spread = "" if self.sd is None else f" ± {100 * self.sd:.2f}"
        return f"{100 * self.mean:.2f}{spread} %"

    def percent(self, noun: str = "images") -> str:
        """Return the summary of a share as text, in percent.

        Args:
            noun: the data set's word for its examples.
        """
        if self.mean is None:
            return f"no value: 0 of {self.declared} seeds finished"
        if self.sd is None or self.ci95 is None:
            seeds = "seed" if self.declared == 1 else "seeds"
            return f"{self.short()} (n = {self.count} {seeds}, so no interval)"
        question = NEW_SEEDS
        if self.effects is not None:
            question = f"these {self.effects.columns:,} test images, new seeds"
        intervals = [f"{question}: {percents(self.ci95)}"]
        if self.ci95_new_images is not None:
            intervals.append(f"{NEW_IMAGES}: {percents(self.ci95_new_images)}")
        word = "intervals" if len(intervals) > 1 else "interval"
        return (
            f"{self.short()} (mean ± standard deviation, n = {self.count} seeds; 95 % {word} of "
            f"the mean: {'; '.join(intervals).replace('images', noun)})"
        )


def percents(limits: Interval | None) -> str:
    """Return an interval of a share as text, in percent."""
    return _limits(limits, "{:.2f} to {:.2f} %", "values")


def points(limits: Interval | None) -> str:
    """Return an interval of a difference as text, in percentage points."""
    return _limits(limits, "{:+.2f} to {:+.2f}", "differences")


def _limits(limits: Interval | None, form: str, of: str) -> str:
    if limits is None:
        return "–"
    if limits[0] == limits[1]:
        return f"– (all {of} are equal)"
    return form.format(*(100 * limit for limit in limits))


def summarise(
    values: Mapping[int, float | None], *, share: bool = False, effects: Crossed | None = None
) -> Summary:
    """Return the statistics of one metric.

    Args:
        values: by seed; None, nan and infinity count as failed.
        share: whether values lie between 0 and 1, as accuracies do.
        effects: of seeds and images, if the answers to each image are known.
    """
    per_seed = {
        seed: float(value) if value is not None and math.isfinite(value) else None
        for seed, value in values.items()
    }
    return Summary(per_seed, share, effects)


Right = Mapping[int, NDArray[np.bool_] | None]
"""By seed, which images the network is right on, shape (N,); None for a seed that failed."""


def summarise_right(right: Right) -> Summary:
    """Return the statistics of accuracy, with the effects of seeds and images on it."""
    shares = {seed: None if each is None else float(each.mean()) for seed, each in right.items()}
    return summarise(shares, share=True, effects=effects_of(right.values()))


def effects_of(values: Iterable[NDArray[Any] | None]) -> Crossed | None:
    """Return the effects of seeds and images; None if there are fewer than two of either.

    Args:
        values: of all images, shape (N,), by each seed; None for a seed that failed.
    """
    table = np.array([each for each in values if each is not None])
    return crossed(table) if min(table.shape) > 1 else None


def _interval(centre: float, standard_error: float, degrees: float) -> Interval:
    half = student(degrees) * standard_error
    return centre - half, centre + half


def superiority(differences: Sequence[float]) -> tuple[float, Interval]:
    """Return P(A > B): how often the first setting beats the second with the same seed.

    Args:
        differences: of pairs, at least one.

    Returns:
        The share of pairs, where a tie counts half; and its exact 95 % interval over pairs without
        ties (Clopper and Pearson, Biometrika 26, 1934).
    """
    better = sum(difference > 0 for difference in differences)
    worse = sum(difference < 0 for difference in differences)
    tail, m = (1 - CONFIDENCE) / 2, better + worse
    low = float(betaincinv(better, worse + 1, tail)) if better else 0.0
    high = float(betaincinv(better + 1, worse, 1 - tail)) if worse else 1.0
    ties = len(differences) - m
    return (better + ties / 2) / len(differences), (low, high)


@dataclass(frozen=True)
class Comparison:
    """Two settings, paired by seed and image.

    Attributes:
        seeds: that finished in both.
        differences: in accuracy, first minus second, one per seed.
        effects: of seeds and images on the difference; None for fewer than two of either.
        p_value: of the two-sided sign-flip test.
        comparisons: number of comparisons made.
        p_holm: `p_value` adjusted for that number.
    """

    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    effects: Crossed | None
    p_value: float
    comparisons: int
    p_holm: float

    @property
    def mean_difference(self) -> float:
        """Mean of first minus second."""
        return float(np.mean(self.differences))

    @property
    def superiority(self) -> tuple[float, Interval]:
        """How often the first is better, and the interval; see `superiority`."""
        return superiority(self.differences)

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON."""
        same, new = self.effects.intervals() if self.effects else (None, None)
        larger, limits = self.superiority
        return {
            "pairs": len(self.seeds),
            "mean_difference": self.mean_difference,
            "ci95_new_seeds": same,
            "ci95_new_images": new,
            "p": self.p_value,
            "p_larger": larger,
            "p_larger_ci95": limits,
            "p_holm": self.p_holm,
            "verdict": self.verdict,
        }

    @property
    def verdict(self) -> str:
        """The conclusion: larger, smaller, or why there is none."""
        if len(self.seeds) < fewest_pairs(self.comparisons):
            return "too few seeds"
        if self.p_holm > 1 - CONFIDENCE:
            return "no difference shown"
        return "larger" if self.mean_difference > 0 else "smaller"


def compare(first: Right, second: Right) -> Comparison:
    """Compare two settings by the seeds that finished in both, without adjustment.

    Both have answered the same images.

    Raises:
        UserError: there is no such seed.
    """
    pairs_by_seed = {
        seed: (ours, theirs)
        for seed, ours in sorted(first.items())
        if ours is not None and (theirs := second.get(seed)) is not None
    }
    seeds = tuple(pairs_by_seed)
    if not seeds:
        raise UserError("no seed finished in both settings, so they cannot be paired")
    pairs = [np.subtract(*pair, dtype=np.float64) for pair in pairs_by_seed.values()]
    differences = tuple(float(pair.mean()) for pair in pairs)
    p = sign_flip(differences)
    return Comparison(seeds, differences, effects_of(pairs), p, 1, p)


def compare_all(settings: Mapping[str, Right], baseline: Right) -> dict[str, Comparison]:
    """Compare each setting with a baseline; adjust p-values for the number of comparisons.

    Raises:
        UserError: see `compare`.
    """
    pairs = {name: compare(each, baseline) for name, each in settings.items()}
    adjusted = holm([pair.p_value for pair in pairs.values()])
    return {
        name: replace(pair, comparisons=len(pairs), p_holm=p)
        for (name, pair), p in zip(pairs.items(), adjusted, strict=True)
    }


def cross(accuracies: Mapping[tuple[int, int], float | None]) -> Crossed:
    """Return the variances of accuracy due to splits (rows) and seeds (columns).

    Args:
        accuracies: by split and seed; None for a run that failed.

    Raises:
        UserError: a seed lacks an accuracy for a split, or there are fewer than two of either.
    """
    splits = sorted({split for split, _ in accuracies})
    seeds = sorted({seed for _, seed in accuracies})
    if min(len(splits), len(seeds)) < 2:
        raise UserError(
            f"splits {splits}, seeds {seeds}: allowed are at least two splits, each with the same "
            "two seeds or more, to separate their effects"
        )
    table = {(split, seed): accuracies.get((split, seed)) for split in splits for seed in seeds}
    for (split, seed), value in table.items():
        if value is None:
            raise UserError(
                f"split.seed = {split}, seed = {seed} is missing or failed: to separate effects "
                "of splits and seeds, every seed has to finish with every split"
            )
    return crossed(np.array(list(table.values())).reshape(len(splits), len(seeds)))


# --- how many pairs ---


def fewest_pairs(comparisons: int = 1) -> int:
    """Return the smallest number of pairs with which the sign-flip test can be significant.

    Its smallest two-sided p-value is 2^(1 − n); Holm's correction multiplies the smallest by the
    number of comparisons.
    """
    return 1 + math.ceil(math.log2(comparisons / (1 - CONFIDENCE)))


def pairs_needed(difference: float, sd: float, comparisons: int = 1) -> int:
    """Return how many pairs the sign-flip test needs to show a difference with power 0.8.

    Differences are assumed normal. Power is that of Student's t-test (noncentral t) at the level
    that n pairs can attain, since p-values are multiples of 2^(1 − n). If only the most extreme
    sign pattern is significant, power is exactly P(all signs are equal).

    Args:
        difference: the true mean of the differences, above 0.
        sd: their standard deviation.
        comparisons: their number; the level is 0.05 divided by it, Holm's strictest.

    Returns:
        The number, at most `MOST_PAIRS`.
    """
    n = np.arange(fewest_pairs(comparisons), MOST_PAIRS + 1.0)
    if difference > 10 * sd:  # the fewest pairs suffice, and the noncentral t would overflow
        return int(n[0])
    d, patterns = difference / sd, 2.0 ** np.minimum(n - 1, 60.0)
    enough = np.floor((1 - CONFIDENCE) / comparisons * patterns)
    t = stdtrit(n - 1, 1 - enough / patterns / 2)
    by_t = nctdtr(n - 1, -d * np.sqrt(n), -t) + nctdtr(n - 1, d * np.sqrt(n), -t)
    power = np.where(enough == 1, ndtr(d) ** n + ndtr(-d) ** n, by_t)
    reached = np.flatnonzero(power >= POWER)
    return int(n[reached[0]]) if len(reached) else MOST_PAIRS


def deviation_limits(sd: float, n: int) -> Interval:
    """Return the 95 % interval of a standard deviation, (n − 1) sd² / χ² (n at least 2)."""
    tail = (1 - CONFIDENCE) / 2
    low, high = (sd * math.sqrt((n - 1) / chdtri(n - 1, p)) for p in (tail, 1 - tail))
    return low, high


# --- tests ---


def sign_flip(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of the sign-flip test that the mean difference is zero.

    Under the null hypothesis, each difference is as likely as its negative. So p is the share of
    all 2^n sign patterns whose mean is at least as far from zero as the observed one (Fisher 1935,
    section 21). Up to n = 20 all patterns are enumerated; beyond, 10^6 are sampled with a fixed
    seed, and the observed one is added.
    """
    values = np.asarray(differences, np.float64)
    # Allows for rounding errors.
    enough = abs(values.sum()) - 1e-12 * float(np.abs(values).sum())
    if len(values) <= MOST_ENUMERATED:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums - value, sums + value])
        return float(np.mean(np.abs(sums) >= enough))
    rng, batches, size = np.random.default_rng(0), 100, 10**4
    count = 1
    for _ in range(batches):
        signs = rng.choice([-1.0, 1.0], (size, len(values)))
        count += int(np.count_nonzero(np.abs(signs @ values) >= enough))
    return count / (batches * size + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm, Scand. J. Statistics 6, 1979)."""
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stricter = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(stricter), 1.0)
    return adjusted.tolist()


class Agreement(NamedTuple):
    """A published mean beside ours.

    Attributes:
        published: the published mean.
        ours: our mean.
        ci95: contains our mean in 95 % of cases if both come from one distribution.
        agrees: whether it does.
    """

    published: float
    ours: float
    ci95: Interval
    agrees: bool


def agreement(
    ours: Sequence[float], published: float, published_sd: float, published_n: int
) -> Agreement:
    """Compare our runs with a published mean of `published_n` runs.

    The interval is published ± t · s · √(1/n + 1/m), with s pooled from both standard deviations
    and n + m − 2 degrees of freedom (Student 1908). With m = 1 the published number has no
    deviation, and s is ours.
    """
    values = np.asarray(ours, np.float64)
    n, m, mean = len(values), published_n, float(values.mean())
    squares = (n - 1) * float(values.var(ddof=1)) + (m - 1) * published_sd**2
    s = math.sqrt(squares / (n + m - 2))
    low, high = _interval(published, s * math.sqrt(1 / n + 1 / m), n + m - 2)
    return Agreement(published, mean, (low, high), low <= mean <= high)

"""Statistics over seeds.

Convention: one value a declared seed; None for a seed that failed, which stays in the count.
Intervals are Student's t at 95 %: at n = 5 they cover the mean in 0.952 of simulated cases,
±1.96 standard errors in 0.878, the percentile bootstrap in 0.834.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from pipeline.errors import UserError

CONFIDENCE = 0.95
METHOD = "95 % interval of the mean by Student's t"
# Below this, the smallest two-sided sign-flip p-value, 2^−(n − 1), is above 0.05.
FEWEST_PAIRS = 6
# 2^20 sign patterns are enumerated in a second; beyond, they are drawn.
MOST_ENUMERATED = 20


@dataclass(frozen=True)
class Summary:
    """One metric over the declared seeds.

    Attributes:
        n: seeds that have a finite value.
        declared: all seeds.
        mean: over the n values; None if there are none.
        sd: standard deviation with n − 1 in the denominator; None below two values.
        min: the smallest value.
        max: the largest.
        ci95: interval of the mean, see `METHOD`; None below two values.
        per_seed: every declared seed's value; None for a failed one.
    """

    n: int
    declared: int
    mean: float | None
    sd: float | None
    min: float | None
    max: float | None
    ci95: tuple[float, float] | None
    per_seed: dict[int, float | None]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON has it; failed seeds are listed if there are any."""
        found: dict[str, Any] = {
            "n": self.n,
            "mean": self.mean,
            "sd": self.sd,
            "min": self.min,
            "max": self.max,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "per_seed": {str(seed): value for seed, value in self.per_seed.items()},
        }
        failed = [seed for seed, value in self.per_seed.items() if value is None]
        return {**found, "failed": failed} if failed else found

    def percent(self) -> str:
        """Return the summary of a share as a person writes it, in percent."""
        if self.mean is None:
            return f"no value: 0 of {self.declared} seeds finished"
        count = f"n = {self.n}" if self.n == self.declared else f"n = {self.n} of {self.declared}"
        if self.sd is None or self.ci95 is None:
            return f"{100 * self.mean:.2f} % ({count} seed, so no interval)"
        low, high = (100 * limit for limit in self.ci95)
        return (
            f"{100 * self.mean:.2f} ± {100 * self.sd:.2f} % (mean ± standard deviation, {count} "
            f"seeds; {METHOD}: {low:.2f} to {high:.2f} %)"
        )


def summarise(values: Mapping[int, float | None]) -> Summary:
    """Return the statistics of one metric.

    Args:
        values: by seed; None, nan and infinity count as failed.
    """
    per_seed = {
        seed: float(value) if value is not None and math.isfinite(value) else None
        for seed, value in values.items()
    }
    finite = np.array([value for value in per_seed.values() if value is not None])
    n = len(finite)
    if n == 0:
        return Summary(0, len(per_seed), None, None, None, None, None, per_seed)
    mean = float(finite.mean())
    sd = float(finite.std(ddof=1)) if n > 1 else None
    return Summary(
        n=n,
        declared=len(per_seed),
        mean=mean,
        sd=sd,
        min=float(finite.min()),
        max=float(finite.max()),
        ci95=None if sd is None else _interval(mean, sd / math.sqrt(n), n - 1),
        per_seed=per_seed,
    )


def _interval(centre: float, standard_error: float, degrees: float) -> tuple[float, float]:
    # The function behind `scipy.stats.t.ppf`, whose package takes a second to import.
    half = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2)) * standard_error
    return centre - half, centre + half


def binomial_standard_error(share: float, count: int) -> float:
    """Return √(p (1 − p) / N): how far a test set of N images is from all images there are."""
    return math.sqrt(share * (1 - share) / count)


@dataclass(frozen=True)
class Comparison:
    """Two settings, paired by seed.

    Attributes:
        seeds: those that both have.
        mean_difference: of the pairs, first minus second.
        ci95: its interval, see `METHOD`; None below two pairs.
        p_value: of the two-sided sign-flip test.
    """

    seeds: tuple[int, ...]
    mean_difference: float
    ci95: tuple[float, float] | None
    p_value: float

    def verdict(self, adjusted: float) -> str:
        """Say what may be said, given the p-value adjusted for all comparisons made."""
        if len(self.seeds) < FEWEST_PAIRS:
            return "n too small to call"
        if adjusted > 1 - CONFIDENCE:
            return "no difference shown"
        return "first is larger" if self.mean_difference > 0 else "first is smaller"


def compare(first: Mapping[int, float | None], second: Mapping[int, float | None]) -> Comparison:
    """Compare two settings by the seeds that finished in both.

    Raises:
        UserError: there is no such seed.
    """
    seeds = tuple(
        sorted(
            seed
            for seed in first.keys() & second.keys()
            if first[seed] is not None and second[seed] is not None
        )
    )
    if not seeds:
        raise UserError("no seed finished in both settings, so they cannot be paired")
    pairs = [(first[seed], second[seed]) for seed in seeds]
    differences = {s: float(a) - float(b) for s, (a, b) in zip(seeds, pairs, strict=True)}  # type: ignore[arg-type]  # None is filtered above
    found = summarise(differences)
    assert found.mean is not None
    return Comparison(seeds, found.mean, found.ci95, sign_flip(list(differences.values())))


def sign_flip(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of the sign-flip test of a mean of zero.

    If the pairs do not differ, each difference is as likely as its negative: p is the share of
    all 2^n sign patterns whose mean is at least as far from zero as the one seen (Fisher 1935,
    section 21). Up to n = 20 all are taken; beyond, 10^6 drawn with a fixed seed, the one seen
    among them.
    """
    values = np.asarray(differences, np.float64)
    n = len(values)
    seen = abs(values.sum())
    # Sums that are equal but for rounding count as equal.
    enough = seen - 1e-12 * float(np.abs(values).sum())
    if n <= MOST_ENUMERATED:
        halves = [
            np.array(list(itertools.product((-1.0, 1.0), repeat=len(part)))) @ part
            for part in (values[: n // 2], values[n // 2 :])
        ]
        sums = np.abs(halves[0][:, np.newaxis] + halves[1])
        return float(np.mean(sums >= enough))
    rng = np.random.default_rng(0)
    draws = 10**6
    count = 1
    for _ in range(draws // 10**4):
        signs = rng.integers(0, 2, (10**4, n)) * 2.0 - 1.0
        count += int(np.count_nonzero(np.abs(signs @ values) >= enough))
    return count / (draws + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm, Scand. J. Statistics 6, 1979)."""
    m = len(p_values)
    adjusted, largest = [0.0] * m, 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class Agreement:
    """A published mean beside ours.

    Attributes:
        published: the published mean.
        ours: our mean.
        ci95: where our mean lies in 95 % of cases if both come from one distribution.
    """

    published: float
    ours: float
    ci95: tuple[float, float]

    @property
    def agrees(self) -> bool:
        """Tell whether our mean lies in the interval."""
        return self.ci95[0] <= self.ours <= self.ci95[1]


def agreement(
    ours: Sequence[float], published: float, published_sd: float, published_n: int
) -> Agreement:
    """Compare our runs with a published mean of `published_n` runs.

    Our mean of n runs is expected within published ± t · s · √(1/n + 1/m), with s pooled from
    both standard deviations and n + m − 2 degrees of freedom (Student 1908). With m = 1 the
    published number has no deviation of its own, and s is ours.
    """
    values = np.asarray(ours, np.float64)
    n, m = len(values), published_n
    squares = (n - 1) * float(values.var(ddof=1)) + (m - 1) * published_sd**2
    s = math.sqrt(squares / (n + m - 2))
    interval = _interval(published, s * math.sqrt(1 / n + 1 / m), n + m - 2)
    return Agreement(published, float(values.mean()), interval)

"""Analysis of variance for two crossed random factors, with intervals of the mean.

Convention: a table has one value per row and column: seeds x images (1 if the seed's network is
right on the image, else 0), or splits x seeds (accuracies). The model is
y_ij = mean + row_i + column_j + rest_ij, all three random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
Interval = tuple[float, float]


def student(degrees: float) -> float:
    """Return t such that Student's distribution has 95 % of its mass between −t and t."""
    # The function behind `scipy.stats.t.ppf`, whose package takes a second to import.
    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def as_share(limits: Interval) -> Interval:
    """Cut an interval at 0 and 1; its coverage of a share does not change."""
    return max(limits[0], 0.0), min(limits[1], 1.0)


@dataclass(frozen=True)
class Crossed:
    """The two-way analysis of variance with random effects, one value per cell.

    Attributes:
        rows: their number, n.
        columns: their number, N.
        mean: of all values.
        row: variance between rows, for all possible columns, not only the N of the table.
        column: variance between columns.
        rest: residual variance.

    The estimates are unbiased, so those of rows and columns can be negative.
    """

    rows: int
    columns: int
    mean: float
    row: float
    column: float
    rest: float

    @property
    def deviation(self) -> float:
        """The standard deviation of row means over these columns: √(row + rest / N)."""
        return math.sqrt(max(self.row + self.rest / self.columns, 0.0))

    def half_widths(self, rows: int | None = None) -> tuple[float, float]:
        """Return half the widths of two 95 % intervals of the mean.

        New rows, these columns: t(n − 1) deviation / √n, Student's interval of the rows' means.

        New rows and new columns: √(that² + t(N − 1)² max(column, 0) / N), after W. G. Howe,
        JASA 69 (1974), 789-794. It is never narrower than the first.

        Args:
            rows: n of a planned table with the same variances, at least 2.
        """
        n = self.rows if rows is None else rows
        same = student(n - 1) * self.deviation / math.sqrt(n)
        new = student(self.columns - 1) * math.sqrt(max(self.column, 0.0) / self.columns)
        return same, math.hypot(same, new)

    def intervals(self) -> tuple[Interval, Interval]:
        """Return both intervals; see `half_widths`."""
        same, both = ((self.mean - half, self.mean + half) for half in self.half_widths())
        return same, both

    def parts(self, rows: int | None = None) -> tuple[float, float, float]:
        """Return the parts of the mean's variance: row / n, column / N, rest / (nN).

        Args:
            rows: n of a planned table with the same variances.
        """
        n = self.rows if rows is None else rows
        return self.row / n, self.column / self.columns, self.rest / (n * self.columns)

    def shares(self) -> tuple[float, float, float]:
        """Return `parts` as shares of their sum; negative estimates count as zero."""
        parts = [max(part, 0.0) for part in self.parts()]
        whole = sum(parts) or 1.0
        row, column, rest = (part / whole for part in parts)
        return row, column, rest


def crossed(values: NDArray[Any]) -> Crossed:
    """Analyse a table (S. R. Searle et al., Variance Components, 1992).

    row = (MS_row − MS_rest) / N, column = (MS_column − MS_rest) / n, rest = MS_rest, where MS are
    the mean squares. For rows of seeds, `row` is the variance between trainings of K. Jordan
    (arXiv:2304.01910), [N² Var_s(accuracy) − Σ_i Var_s(C_i)] / (N (N − 1)).

    Args:
        values: finite, of shape (n, N), both at least 2.
    """
    Y = np.asarray(values, np.float64)
    n, N = Y.shape
    mean, rows, columns = float(Y.mean()), Y.mean(axis=1), Y.mean(axis=0)
    left = Y - rows[:, np.newaxis] - columns + mean
    ms_row, ms_column = N * float(rows.var(ddof=1)), n * float(columns.var(ddof=1))
    rest = float(np.square(left).sum()) / ((n - 1) * (N - 1))
    return Crossed(n, N, mean, (ms_row - rest) / N, (ms_column - rest) / n, rest)

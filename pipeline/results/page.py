"""A page that needs no other file, and the same as a text to paste.

Convention: this module says what a page is made of, `page.html.j2` and `page.css` how it looks, and
`report` and `pipeline.lecture.studies` what is on one.
"""

from __future__ import annotations

import base64
import itertools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, StrictUndefined, select_autoescape

from pipeline.results.crossed import Crossed
from pipeline.results.statistics import (
    METHODS,
    MOST_PAIRS,
    NEW_IMAGES,
    NEW_SEEDS,
    Summary,
    as_share,
    deviation_limits,
    pairs_needed,
)
from pipeline.results.style import DOTS_AN_INCH

TEMPLATE = Path(__file__).with_name("page.html.j2")
STYLE = Path(__file__).with_name("page.css")


def render(template: Path, **values: object) -> str:
    """Return a template's page; values are escaped, but for what the template calls safe."""
    environment = Environment(
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(template.read_text()).render(**values)


@dataclass
class Picture:
    """A figure on the page.

    Attributes:
        png: the file's content.
        alt: what the picture shows, for those who cannot see it.
        caption: what to look for.
    """

    png: bytes
    alt: str
    caption: str

    @property
    def base64(self) -> str:
        """The file as it is embedded."""
        return base64.b64encode(self.png).decode()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page, in its pixels."""
        # A PNG file begins with its own; a page has 96 pixels an inch.
        width, height = struct.unpack(">II", self.png[16:24])
        return round(width * 96 / DOTS_AN_INCH), round(height * 96 / DOTS_AN_INCH)


@dataclass
class Table:
    """A table on the page; the first column names its rows."""

    caption: str
    header: list[str]
    rows: list[list[str]]


@dataclass
class Section:
    """A part of the page."""

    id: str
    title: str
    text: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass
class Page:
    """All that is on the page.

    Attributes:
        subject: what the page is about, in a few words.
        title: the question.
        headline: the answer.
        warnings: what a reader must not miss.
        notes: paragraphs below the headline.
        sections: in order.
        checklist: questions and answers; may be empty.
        provenance: names and values.
        again: the commands that make it all again.
    """

    subject: str
    title: str
    headline: str
    warnings: list[str]
    notes: list[str]
    sections: list[Section]
    checklist: list[tuple[str, str]]
    provenance: list[tuple[str, str]]
    again: list[str]

    def html(self) -> str:
        """Return the page; whatever is put into it is escaped."""
        html = render(TEMPLATE, page=self, style=STYLE.read_text())
        return html.replace(" %", "\N{NO-BREAK SPACE}%")

    def markdown(self) -> str:
        """Return the headline and the tables, for pasting."""
        lines = [f"# {self.subject}", "", f"{self.title}: {self.headline}"]
        lines += ["", *(f"{line}\n" for line in (*self.warnings, *self.notes))]
        for section in self.sections:
            for table in section.tables:
                lines += [f"## {table.caption}", "", *_markdown(table), ""]
        return "\n".join(lines)


def _markdown(table: Table) -> list[str]:
    rows = [table.header, ["---"] * len(table.header), *table.rows]
    return ["| " + " | ".join(row) + " |" for row in rows]


def accuracy_table(summaries: dict[str, dict[str, Summary]]) -> Table:
    """Return mean, deviation, intervals and range of every metric of every part."""
    rows = []
    for part, metrics in summaries.items():
        for metric, summary in metrics.items():
            scale, unit = (100.0, " %") if metric == "accuracy" else (1.0, "")
            digits = 2 if metric == "accuracy" else 4
            rows.append([f"{part} {metric}", *_cells(summary, scale, unit, digits)])
    return Table(
        f"All metrics after the last epoch; {METHODS}",
        ["metric", "n", "mean", "sd", NEW_SEEDS, NEW_IMAGES, "smallest", "largest"],
        rows,
    )


def _cells(summary: Summary, scale: float, unit: str, digits: int) -> list[str]:
    def text(value: float | None) -> str:
        return "–" if value is None else f"{scale * value:.{digits}f}{unit}"

    n = str(summary.n) if summary.n == summary.declared else f"{summary.n} of {summary.declared}"
    same, new = (
        "–" if limits is None else " to ".join(map(text, limits))
        for limits in (summary.ci95, summary.ci95_new_images)
    )
    mean, sd, smallest, largest = map(text, (summary.mean, summary.sd, summary.min, summary.max))
    return [n, mean, sd, same, new, smallest, largest]


def seeds_table(accuracies: dict[str, Summary]) -> Table:
    """Return every declared seed's accuracies; those of a failed one are missing, not left out."""
    seeds = next(iter(accuracies.values())).per_seed
    rows = [
        [
            str(seed),
            *(
                "failed" if (value := summary.per_seed[seed]) is None else f"{100 * value:.2f} %"
                for summary in accuracies.values()
            ),
        ]
        for seed in seeds
    ]
    return Table("Every declared seed's accuracies", ["seed", *accuracies], rows)


def variance_table(effects: Crossed, sources: Sequence[str], mean_of: str) -> Table:
    """Return how much rows, columns and what remains vary, and their parts of the mean's variance.

    Args:
        effects: of accuracies.
        sources: names of the three.
        mean_of: what the mean is over, such as "5 seeds and 10,000 images".
    """
    parts = [max(part, 0.0) for part in effects.parts()]
    whole = sum(parts)
    rows = [
        [source, deviation(variance), f"{100 * part / whole:.0f} %" if whole else "–"]
        for source, variance, part in zip(
            sources, (effects.row, effects.column, effects.rest), parts, strict=True
        )
    ]
    return Table(
        f"Variation by source, in percentage points, and its part of the mean over {mean_of}",
        ["source", "standard deviation of one of them", "part of the mean's variance"],
        rows,
    )


def splits_table(effects: Crossed, part: str) -> Table:
    """Return how much splits (rows) and seeds (columns) matter to accuracy on `part`."""
    which = "train" if part == "test" else "train and validate"
    sources = (f"split: which images {which}", "seed", "both: this seed with this split")
    return variance_table(effects, sources, f"{effects.rows} splits and {effects.columns} seeds")


def splits_interval(effects: Crossed, part: str) -> str:
    """Return what the mean over splits and seeds says, and of what."""
    low, high = as_share(effects.intervals()[1])
    images = "these test images, " if part == "test" else ""
    varied = "" if part == "test" else ", which also chooses the validation images,"
    return (
        f"Mean {100 * effects.mean:.2f} %; 95 % interval for {images}new splits and new seeds: "
        f"{100 * low:.2f} to {100 * high:.2f} %. Varied: the split{varied} and the seed, every "
        "seed with every split. Not varied: the test images, and everything else."
    )


def deviation(variance: float) -> str:
    """Return the standard deviation of accuracies, in percentage points, if one can be seen."""
    return f"{100 * math.sqrt(variance):.2f}" if variance > 0 else "none to be seen"


PLANNED = (2, 3, 5, 10, 20, 50, 100)


def plan_table(effects: Crossed) -> Table:
    """Return how wide both intervals of the mean would be with other numbers of seeds."""
    rows = [[str(n), *(f"± {100 * half:.2f}" for half in effects.half_widths(n))] for n in PLANNED]
    return Table(
        "How many seeds? The 95 % intervals of the mean, in percentage points, if seeds and "
        "images vary as these do",
        ["seeds", NEW_SEEDS, NEW_IMAGES],
        rows,
    )


DIFFERENCES = (0.0005, 0.001, 0.002)


def needed_table(sd: float, n: int) -> Table:
    """Return how many seeds a comparison of two settings would need.

    Args:
        sd: standard deviation of the seeds' accuracies.
        n: how many seeds it is of.
    """
    # Of a difference of two settings whose seeds vary independently of each other.
    of_difference = math.sqrt(2) * sd
    rows = [[f"{100 * each:.2f}", seeds_needed(each, of_difference, n)] for each in DIFFERENCES]
    return Table(
        "How many seeds does a difference between two settings need? Power 0.8 of the sign-flip "
        "test, one comparison, if the seeds of both vary as these do; in brackets at the 95 % "
        "limits of the standard deviation",
        ["difference, in percentage points", "seeds"],
        rows,
    )


def seeds_needed(difference: float, sd: float, n: int, comparisons: int = 1) -> str:
    """Return how many pairs show a difference, as a person reads it; see `pairs_needed`.

    Args:
        difference: the true one.
        sd: standard deviation of n paired differences.
        n: how many these are; in brackets stands what both 95 % limits of their deviation give.
        comparisons: how many are made.
    """
    needed = (pairs_needed(difference, s, comparisons) for s in (sd, *deviation_limits(sd, n)))
    texts = [f"{each:,} or more" if each == MOST_PAIRS else str(each) for each in needed]
    return "{} ({} to {})".format(*texts)


def training_flops(sizes: list[int], train: int, evaluated: int, epochs: int) -> float:
    """Return the arithmetic of a seed's matrix products.

    A product with an N × n input and m outputs takes 2 N n m operations; a training step does it
    forward, for the gradient of the weights, and, behind the first layer, for that of the inputs.

    Args:
        sizes: neurons of each layer, inputs first.
        train: images trained on, an epoch.
        evaluated: images evaluated after each epoch.
        epochs: their number.
    """
    layers = [2.0 * n * m for n, m in itertools.pairwise(sizes)]
    forward = sum(layers)
    backward = 2 * forward - layers[0]
    return epochs * (train * (forward + backward) + evaluated * forward)


def gflop(operations: float) -> str:
    """Return operations as a person reads them."""
    return f"{operations / 1e9:,.0f} GFLOP"

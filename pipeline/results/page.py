"""A page that needs no other file, and the same as a text to paste.

Convention: this module says what a page is made of, `page.html.j2` and `page.css` how it looks, and
`report` and `pipeline.lecture.studies` what is on one.
"""

from __future__ import annotations

import base64
import itertools
import struct
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, StrictUndefined, select_autoescape

from pipeline.results.statistics import METHOD, Summary
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
        lines += ["", *self.warnings, *self.notes, ""]
        for section in self.sections:
            for table in section.tables:
                lines += [f"## {table.caption}", "", *_markdown(table), ""]
        return "\n".join(lines)


def _markdown(table: Table) -> list[str]:
    rows = [table.header, ["---"] * len(table.header), *table.rows]
    return ["| " + " | ".join(row) + " |" for row in rows]


def accuracy_table(summaries: dict[str, dict[str, Summary]]) -> Table:
    """Return mean, deviation, interval and range of every metric of every part."""
    rows = []
    for part, metrics in summaries.items():
        for metric, summary in metrics.items():
            scale, unit = (100.0, " %") if metric == "accuracy" else (1.0, "")
            digits = 2 if metric == "accuracy" else 4
            rows.append([f"{part} {metric}", *_cells(summary, scale, unit, digits)])
    return Table(
        f"All metrics after the last epoch; interval: {METHOD}",
        ["metric", "n", "mean", "sd", "interval", "smallest", "largest"],
        rows,
    )


def _cells(summary: Summary, scale: float, unit: str, digits: int) -> list[str]:
    def text(value: float | None) -> str:
        return "–" if value is None else f"{scale * value:.{digits}f}{unit}"

    n = str(summary.n) if summary.n == summary.declared else f"{summary.n} of {summary.declared}"
    limits = "–" if summary.ci95 is None else " to ".join(text(limit) for limit in summary.ci95)
    return [n, text(summary.mean), text(summary.sd), limits, text(summary.min), text(summary.max)]


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

"""Pages that need no other file: templates hold the words, Python hands them numbers.

Convention: a template is named by its path below `pipeline/`. `base.html.j2` has what all pages
share, `page.css` how they look.
"""

from __future__ import annotations

import base64
import math
import struct
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.results.crossed import as_share
from pipeline.results.statistics import MOST_PAIRS, deviation_limits, pairs_needed, percents, points
from pipeline.results.style import DOTS_AN_INCH

INCH = 140  # pixels of a page, so that figures of 5.4 inches are as wide as its text
STYLE = Path(__file__).with_name("page.css")


def render(template: str, **values: object) -> str:
    """Return a template's page; in HTML, values are escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1]),
        autoescape=template.endswith(".html.j2"),  # elsewhere, what a template includes is text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "as_share": as_share,
        "percents": percents,
        "points": points,
        "deviation": deviation,
        "number": number,
        "base64": lambda content: base64.b64encode(content).decode(),
        "size": size_on_page,
    }
    values = {"style": STYLE.read_text(), **values}
    return environment.get_template(template).render(**values)


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share in percent."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def deviation(variance: float) -> str:
    """Return the standard deviation of accuracies, in percentage points, if one can be seen."""
    return f"{100 * math.sqrt(variance):.2f}" if variance > 0 else "none to be seen"


def number(value: float) -> str:
    """Return three significant digits; what is 0 but for rounding is 0."""
    return f"{0.0 if abs(value) < 1e-9 else value:.3g}"


def size_on_page(png: bytes) -> tuple[int, int]:
    """Return width and height of a PNG file in a page's pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return round(width * INCH / DOTS_AN_INCH), round(height * INCH / DOTS_AN_INCH)


# --- how many seeds ----------------------------------------------------------------------------

PLANNED = (2, 3, 5, 10, 20, 50, 100)
DIFFERENCES = (0.0005, 0.001, 0.002)


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

"""Render templates as self-contained pages and texts.

Convention: a template is named by its path below `pipeline/`. All pages extend `base.html.j2` and
use the style `page.css`. No line of a Markdown template begins with a user's text, which could make
it a heading or a list.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from pipeline.base.masking import printable
from pipeline.results.crossed import Crossed, as_share
from pipeline.results.statistics import (
    METHOD,
    METHODS,
    MOST_PAIRS,
    NEW_IMAGES,
    NEW_SEEDS,
    deviation_limits,
    pairs_needed,
    percents,
    points,
)

DOTS_AN_INCH = 160  # of figures
INCH = 140  # pixels of a page, so that figures of 5.4 inches are as wide as its text
STYLE = Path(__file__).with_name("page.css")


def render(path: str, /, *, noun: str = "images", **values: object) -> str:
    """Render a template; see `template`.

    Args:
        path: its path below `pipeline/`.
        noun: the data set's word for its examples.
        values: that the template uses, beside the names of the statistical methods.
    """
    return template(path, noun).render({"style": STYLE.read_text(), "noun": noun, **values})


@cache  # compiling one takes far longer than rendering it
def template(path: str, noun: str = "images") -> Template:
    """Return a template; in HTML and Markdown, values are escaped.

    Args:
        path: its path below `pipeline/`.
        noun: the data set's word for its examples.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[1]),
        autoescape=path.endswith((".html.j2", ".md.j2")),  # the others are plain text
        finalize=as_markdown if path.endswith(".md.j2") else None,
        extensions=["jinja2.ext.do"],
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
        "by_source": by_source,
        "number": number,
        "base64": lambda content: base64.b64encode(content).decode(),
        "size": size_on_page,
        "code": code_span,
    }
    methods = {
        "METHOD": METHOD, "METHODS": METHODS, "NEW_SEEDS": NEW_SEEDS, "NEW_IMAGES": NEW_IMAGES
    }  # fmt: skip
    environment.globals |= {name: text.replace("images", noun) for name, text in methods.items()}
    environment.globals["SOURCES"] = SOURCES
    return environment.get_template(path)


# HTML's characters become entities, since not every reader of Markdown knows `\<`.
MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{sign: f"\\{sign}" for sign in "\\`*[]|~$"}}
)


def as_markdown(value: object) -> Markup:
    """Return a value as Markdown that shows it as plain text, in one line."""
    if isinstance(value, Markup):
        return value
    text = printable(re.sub(r"\s+", " ", str(value))).translate(MARKDOWN)
    # An underscore inside a word is no emphasis.
    return Markup(re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text))  # noqa: S704 - escaped above


def code_span(value: object) -> Markup:
    """Return a value as code in Markdown, where nothing is escaped."""
    code = printable(" ".join(str(value).split())).replace("`", "'")
    return Markup(f"`{code}`")  # noqa: S704 - nothing can end the code


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share in percent."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def deviation(variance: float) -> str:
    """Return the root of a variance of accuracies, in percentage points, if it is above zero."""
    return f"{100 * math.sqrt(variance):.2f}" if variance > 0 else "none detected"


# The header of `by_source`.
SOURCES = ["source", "standard deviation of one of them", "part of the mean's variance"]


def by_source(effects: Crossed, *names: str) -> list[list[str]]:
    """Return a row for each source of variance, named in the order row, column, rest."""
    variances = (effects.row, effects.column, effects.rest)
    return [
        [name, deviation(variance), percent(share, 0)]
        for name, variance, share in zip(names, variances, effects.shares(), strict=True)
    ]


def number(value: float) -> str:
    """Return three significant digits; rounding errors around 0 become 0."""
    return f"{0.0 if abs(value) < 1e-9 else value:.3g}"


def size_on_page(png: bytes) -> tuple[int, int]:
    """Return the width and height of a PNG file on a page, in CSS pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return round(width * INCH / DOTS_AN_INCH), round(height * INCH / DOTS_AN_INCH)


# --- how many seeds ----------------------------------------------------------------------------

PLANNED = (2, 3, 5, 10, 20, 50, 100)
DIFFERENCES = (0.0005, 0.001, 0.002)


def seeds_needed(difference: float, sd: float, n: int, comparisons: int = 1) -> str:
    """Return as text how many pairs are needed to show a difference; see `pairs_needed`.

    Args:
        difference: the true difference.
        sd: standard deviation of n paired differences.
        n: their number. The numbers in brackets are for the 95 % limits of the deviation.
        comparisons: number of comparisons.
    """
    needed = (pairs_needed(difference, s, comparisons) for s in (sd, *deviation_limits(sd, n)))
    texts = [f"{each:,} or more" if each == MOST_PAIRS else str(each) for each in needed]
    return "{} ({} to {})".format(*texts)

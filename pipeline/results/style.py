"""The style of all figures, with colours for colour-blind readers.

Convention: figures are PNG files without a date, a version or a host name, so that the same figure
gives the same bytes. Letters that `FONT` lacks, such as Chinese ones, depend on installed fonts.
"""

from __future__ import annotations

import io
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.text import Text

from pipeline.base.files import write_bytes
from pipeline.results.page import DOTS_AN_INCH

# Okabe and Ito, Color Universal Design, 2008.
BLUE, ORANGE, GREEN, AMBER = "#0072B2", "#D55E00", "#009E73", "#E69F00"
GREY = "#666666"

WIDTH = 5.4  # inches, as wide as a page's text: on a phone, letters are still readable
FONT = "DejaVu Sans"  # comes with matplotlib: the same on every machine

# For the whole process, since Matplotlib makes some parts of a figure only when it is drawn.
mpl.rcParams.update(
    {
        "figure.dpi": DOTS_AN_INCH,
        "font.family": FONT,
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "lines.linewidth": 1.8,
    }
)


def subplots(
    height: float, rows: int = 1, columns: int = 1, *, width: float = WIDTH, **options: Any
) -> tuple[Figure, Any]:
    """Return an empty figure and its axes, as `matplotlib.pyplot.subplots` does.

    Args:
        height: in inches, as `width` is.
        rows: of axes.
        columns: of axes.
        width: of the figure.
        options: of `Figure.subplots`.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def percent(share: float, place: float | None = None) -> str:
    """Return a share in percent for an axis, without trailing zeros."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + " %"


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG file, the same bytes for the same figure."""
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    letters = {letter for text in texts for letter in text.get_text()}
    if lacking := letters - _letters(findfont(FONT)) - {"\n"}:
        family = [FONT, *_font_with(frozenset(lacking))]
        for text in texts:
            text.set_fontfamily(family)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # `_font_with` reports it
        # `savefig` would lay out and draw the figure twice. `Software` would be matplotlib's
        # version.
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


@cache
def _letters(font: str) -> frozenset[str]:
    """Return the letters that a font file can draw; none if it cannot be read."""
    try:
        return frozenset(map(chr, get_font(font).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()


@cache
def _font_with(letters: frozenset[str]) -> list[str]:
    """Return the installed font that has most of the letters, if any; warn if some are missing."""
    best = max(
        sorted(findSystemFonts()), key=lambda file: len(letters & _letters(file)), default=""
    )
    missing = letters - _letters(best)
    if missing:
        print(
            f"warning: figures show boxes instead of {''.join(sorted(missing))}, which no single "
            "installed font has; install one, such as Noto Sans CJK",
            file=sys.stderr,
        )
    if missing == letters:
        return []
    fontManager.addfont(best)  # matplotlib's list of fonts may be older
    return [FontProperties(fname=best).get_name()]


def save(figure: Figure, path: Path) -> None:
    """Write the figure to `path` as a PNG file."""
    write_bytes(path, png(figure))

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
from matplotlib.font_manager import findfont, get_font, get_font_names
from matplotlib.text import Text

from pipeline.base.files import write_bytes
from pipeline.results.page import DOTS_AN_INCH

# Okabe and Ito, Color Universal Design, 2008.
BLUE, ORANGE, GREEN, AMBER = "#0072B2", "#D55E00", "#009E73", "#E69F00"
GREY = "#666666"

WIDTH = 5.4  # inches, as wide as a page's text: on a phone, letters are still readable
FONT = "DejaVu Sans"  # comes with matplotlib: the same on every machine
# For the letters that it lacks: as many of these as are installed, in this order.
OTHERS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei"),
    *("Hiragino Sans", "PingFang SC", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic"),
    *("Noto Sans", "Arial Unicode MS", "Unifont"),
)
FONTS = [FONT, *(name for name in OTHERS if name in get_font_names())]

# For the whole process, since Matplotlib makes some parts of a figure only when it is drawn.
mpl.rcParams.update(
    {
        "figure.dpi": DOTS_AN_INCH,
        "font.family": FONTS,
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
    texts = (text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))
    if missing := {*"".join(texts)} - _letters():
        _warn("".join(sorted(missing)))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Matplotlib's own warning for each letter.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # `savefig` would lay out and draw the figure twice. `Software` would be matplotlib's
        # version.
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


@cache
def _letters() -> frozenset[str]:
    """Return the letters that the fonts can draw."""
    fonts = (get_font(findfont(name)) for name in FONTS)
    return frozenset("\n").union(*(map(chr, font.get_charmap()) for font in fonts))


@cache  # once for all figures
def _warn(missing: str) -> None:
    print(
        f"warning: figures show boxes instead of {missing}; install one of the fonts that they "
        f"use: {', '.join(OTHERS)}",
        file=sys.stderr,
    )


def save(figure: Figure, path: Path) -> None:
    """Write the figure to `path` as a PNG file."""
    write_bytes(path, png(figure))

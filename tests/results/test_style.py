"""Letters that the figures' font lacks come from an installed font, or a warning names them."""

import subprocess
import sys
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from pipeline.base.paths import find_root
from pipeline.results import style

LETTER = "\N{CJK UNIFIED IDEOGRAPH-732B}"  # a cat
DRAW = """
import sys
import numpy as np
from matplotlib.font_manager import fontManager
# As on a machine that has no fonts but Matplotlib's own and the given ones.
fontManager.ttflist = [font for font in fontManager.ttflist if "DejaVu" in font.name]
name, *fonts = sys.argv[1:]
for font in fonts:
    fontManager.addfont(font)
from pipeline.results import figures, style
for _ in range(2):
    picture = style.png(figures.class_scores(np.ones((2, 2)), [name, "dog"]))
sys.stdout.buffer.write(picture)
"""


def write_font(path: Path) -> Path:
    """Write a font in which `LETTER` is a square, and nothing else is drawn."""
    pen = TTGlyphPen(None)
    for number, point in enumerate([(0, 0), (0, 900), (900, 900), (900, 0)]):
        (pen.lineTo if number else pen.moveTo)(point)
    pen.closePath()
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "cat"])
    font.setupCharacterMap({ord(LETTER): "cat"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (1000, 0), "cat": (1000, 0)})
    font.setupHorizontalHeader(ascent=900, descent=0)
    font.setupNameTable({"familyName": style.OTHERS[0], "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return path


def drawn(name: str, *fonts: Path) -> tuple[bytes, str]:
    """Return a figure with the name of a class, and the warnings."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW, name, *map(str, fonts)],
        cwd=find_root(),
        capture_output=True,
        check=True,
    )
    return done.stdout, done.stderr.decode()


def test_a_letter_that_no_font_has_is_reported_once_and_otherwise_drawn(tmp_path: Path) -> None:
    boxes, warning = drawn(LETTER)
    letters, silence = drawn(LETTER, write_font(tmp_path / "font.ttf"))
    assert boxes != letters
    assert silence == ""
    assert warning.count("\n") == 1
    assert f"figures show boxes instead of {LETTER}; install one of the fonts" in warning


def test_other_figures_do_not_depend_on_installed_fonts(tmp_path: Path) -> None:
    assert drawn("cat ±é") == drawn("cat ±é", write_font(tmp_path / "font.ttf"))

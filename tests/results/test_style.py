"""Letters that the figures' font lacks come from an installed font, or a warning names them."""

import os
import subprocess
import sys
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from pipeline.base.paths import find_root

LETTER = "\N{CJK UNIFIED IDEOGRAPH-732B}"  # a cat
DRAW = f"""
import sys
import numpy as np
from pipeline.results import figures, style
scores, names = np.ones((2, 2)), ["{LETTER}", "dog"]
for figure in figures.class_scores(scores, names), figures.class_scores(scores, names):
    picture = style.png(figure)
sys.stdout.buffer.write(picture)
"""


def write_font(path: Path) -> None:
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
    font.setupNameTable({"familyName": "One Letter", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    path.parent.mkdir(parents=True)
    font.save(path)


def drawn_with(fonts: Path) -> tuple[bytes, str]:
    """Return a figure with the letter, and the warnings, where `fonts` holds the user's fonts."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW],
        cwd=find_root(),
        env={**os.environ, "XDG_DATA_HOME": str(fonts)},
        capture_output=True,
        check=True,
    )
    return done.stdout, done.stderr.decode()


def test_a_letter_that_no_font_has_is_reported_once_and_otherwise_drawn(tmp_path: Path) -> None:
    boxes, warning = drawn_with(tmp_path / "none")
    write_font(tmp_path / "fonts" / "one-letter.ttf")
    letters, silence = drawn_with(tmp_path)
    assert boxes != letters
    assert silence == ""
    assert warning.count("\n") == 1
    assert f"figures show boxes instead of {LETTER}, which no single installed font has" in warning

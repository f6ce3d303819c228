"""The lecture's page from the committed results, in a real browser."""

from pathlib import Path

import pytest

from pipeline.base.files import read_json
from pipeline.base.paths import Paths, find_root
from pipeline.data.preprocessing import label
from pipeline.lecture.lecture import TIMED, lecture_page
from tests.browser import chromium, log, needs_chromium, problems, show

PATHS = Paths(find_root())


@pytest.mark.slow
@needs_chromium
def test_the_page_is_whole_and_accessible_at_both_widths(tmp_path: Path) -> None:
    folders = (PATHS.lecture_figures, PATHS.studies_figures)
    files = [path for folder in folders for path in folder.glob("*.png")]
    html = lecture_page(
        {path.stem: path.read_bytes() for path in files},
        read_json(PATHS.studies),
        {label(chosen): (1.0, 0.5) for chosen in TIMED},
        [("commit", "0" * 40)],
    )
    page = tmp_path / "lecture.html"
    page.write_text(html)
    with chromium() as browser:
        for width in (1400, 390):
            show(browser, page, width=width)
            assert log(browser, "browser") == []
            loaded = "return [...document.images].filter(i => i.naturalWidth > 0).length"
            assert browser.execute_script(loaded) == len(files)
            assert problems(browser) == []

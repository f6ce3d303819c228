"""The README says what the committed results say."""

import re

from pipeline.base.paths import Paths, find_root
from pipeline.results.tables import read_summary

PATHS = Paths(find_root())
README = (PATHS.root / "README.md").read_text()


def expected() -> str:
    """Return what stands between the README's markers: what the report's text says, too."""
    text = PATHS.summary.read_text()
    headline = read_summary(PATHS.metrics, "test", "accuracy").percent()
    assert f"Test accuracy on MNIST: {headline}\n" in text
    rows = re.findall(r"^\| (?:metric|---|\w+ accuracy) \|(?:[^|\n]+\|){7}$", text, re.MULTILINE)
    return "\n".join([f"Test accuracy: **{headline}**", "", *rows])


def test_headline_and_table_are_the_committed_results() -> None:
    stated = re.search(r"<!-- results -->\n(.*?)\n<!-- /results -->", README, re.DOTALL)
    assert stated is not None
    assert stated.group(1) == expected(), f"put this there:\n{expected()}"


def test_every_picture_of_the_readme_is_there() -> None:
    for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README):
        assert (PATHS.root / path).exists(), path

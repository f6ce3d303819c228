"""The README says what the committed results say."""

import re

from pipeline.paths import Paths, find_root
from pipeline.results.statistics import binomial_standard_error
from pipeline.results.tables import read_summary

PATHS = Paths(find_root())
README = (PATHS.root / "README.md").read_text()


def test_the_headline_is_the_committed_result() -> None:
    stated = re.search(r"<!-- results -->\n(.*?)\n<!-- /results -->", README, re.DOTALL)
    assert stated is not None
    summary = read_summary(PATHS.metrics, "test", "accuracy")
    assert stated.group(1).replace("\n", " ") == f"Test accuracy: **{summary.percent()}**"


def test_the_sampling_error_is_the_committed_results() -> None:
    mean = read_summary(PATHS.metrics, "test", "accuracy").mean
    assert mean is not None
    error = 100 * binomial_standard_error(mean, 10_000)
    assert f"is about {error:.2f} percentage points" in README.replace("\n", " ")


def test_every_picture_of_the_readme_is_there() -> None:
    for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README):
        assert (PATHS.root / path).exists(), path

"""The README says what the committed results say; pages link to what is there."""

import re
from pathlib import Path

import pytest

from pipeline.base.paths import Paths, find_root
from tests.declared import versions

PATHS = Paths(find_root())
README = (PATHS.root / "README.md").read_text()


def expected(text: str) -> str:
    """Return what stands between the README's markers, of the text that the report stage wrote."""
    (headline,) = re.findall(r"^Test accuracy on MNIST: (.+)$", text, re.MULTILINE)
    rows = re.findall(r"^\| (?:metric|---|\w+ accuracy) \|(?:[^|\n]+\|){7}$", text, re.MULTILINE)
    return "\n".join([f"Test accuracy: **{headline}**", "", *rows])


def test_headline_and_table_are_the_committed_results() -> None:
    """Or those that lie there, when the README is changed before both are committed."""
    stated = re.search(r"<!-- results -->\n(.*?)\n<!-- /results -->", README, re.DOTALL)
    assert stated is not None
    texts = versions(PATHS.summary)
    assert any(stated.group(1) == expected(text) for text in texts), "not as in reports/summary.md"


PAGES = [*PATHS.root.glob("*.md"), *PATHS.root.glob("docs/*.md"), *PATHS.root.glob("*/README.md")]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the hosts of repositories form them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PATHS.root)))
def test_every_link_and_picture_of_a_page_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_enough_to_be_read() -> None:
    prose = re.sub(r"```.*?```|^\|.*?$", "", README, flags=re.DOTALL | re.MULTILINE)
    assert len(prose.split()) <= 900

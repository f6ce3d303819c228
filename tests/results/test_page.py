"""Templates: what a user names is shown as it is, not as Markdown or HTML."""

from html import escape

import pytest
from markdown_it import MarkdownIt

from pipeline.results.page import as_markdown, code_span

ODD = (
    "<script>alert(1)</script>",
    "a|b",
    "[here](javascript:alert(1))",
    "![](https://example.org/seen.png)",
    "**loud** _so_ ~~no~~ `code`",
    "&lt; &#60;",
    "back\\slash\\|",
    "he_normal 98.15 ± 0.08 %",
)
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize("name", ODD)
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    assert READER.render(f"Named {as_markdown(name)}.") == f"<p>Named {escape(name)}.</p>\n"
    row = READER.render(f"| name |\n| --- |\n| {as_markdown(name)} |")
    assert row.count("<td>") == 1
    assert f"<td>{escape(name)}</td>" in row


def test_a_name_stays_in_its_line_and_its_code() -> None:
    assert as_markdown("a\n\n# b") == "a # b"
    assert as_markdown(", ") == ", "
    assert as_markdown("\x1b[2J") == "\\\\x1b\\[2J"
    assert READER.render(code_span("a`<b>`")) == "<p><code>a'&lt;b&gt;'</code></p>\n"


def test_plain_names_and_numbers_stay_readable() -> None:
    assert as_markdown("standardise · 784-256-128-10 · he_normal") == (
        "standardise · 784-256-128-10 · he_normal"
    )

"""A name that HTML and Markdown would make something of."""

from html import escape

from markdown_it import MarkdownIt

# Of at most 100 characters, as a study's name.
NAME = "<img src=x onerror=alert(1)> [a](http://x.example) **b** | `c`"
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def assert_text_in(html: str) -> None:
    """Fail unless a page, or what a reader makes of Markdown, shows the name as it is."""
    assert escape(NAME) in html
    for wrong in ("<img src=x", 'href="http://x.example"', "<strong>b<", "<code>c<"):
        assert wrong not in html

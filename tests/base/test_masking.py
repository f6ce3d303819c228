"""Printed text contains no password and no control character."""

import pytest

from pipeline.base.masking import masked, one_line, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://bob:secret@host/mnist", "http://***@host/mnist"),
        ("postgresql://bob:se@cret@host/db", "postgresql://***@host/db"),
        (
            "a https://token@host and b ftp://u:p@other.",
            "a https://***@host and b ftp://***@other.",
        ),
        ("sqlite:////a/b@c.db", "sqlite:////a/b@c.db"),
        ("http://bob:hunt/er2@host:9/x", "http://***@host:9/x"),
        ("postgresql://bob:se?c#ret@host/db", "postgresql://***@host/db"),
        ("https://host/x?user=b&password=se&b=1", "https://host/x?user=b&password=***&b=1"),
        ("https://host/x?api_token=abc", "https://host/x?api_token=***"),
        ("bob:secret@host/folder", "***@host/folder"),
        ("http:/bob:secret@host", "http:/***@host"),
        ("nobody@example.org", "nobody@example.org"),
    ],
)
def test_credentials_in_addresses_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b[2Jb\x07é\n\tσ") == "a\\x1b[2Jb\\x07é\n\tσ"


def test_a_line_is_one_line_of_limited_length() -> None:
    assert one_line("a\n\n b\x1b") == "a b\\x1b"
    assert one_line("x" * 300, 10) == "xxxxxxxxxx..."
    assert one_line(["a"]) == "['a']"


def test_what_is_shown_is_masked_before_it_is_cut() -> None:
    address = "http://bob:secret@host/mnist"
    assert printable(f"\x1b{address}") == "\\x1bhttp://***@host/mnist"
    assert one_line(f"{address}\n{address}", 14) == "http://***@hos..."

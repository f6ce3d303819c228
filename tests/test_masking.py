"""What is shown names no password and moves no cursor."""

import pytest

from pipeline.masking import masked, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://bob:secret@host/mnist", "http://***@host/mnist"),
        ("postgresql://bob:se@cret@host/db", "postgresql://***@host/db"),
        (
            "a https://token@host and b ftp://u:p@other.",
            "a https://***@host and b ftp://***@other.",
        ),
        ("sqlite:///a/b@c.db", "sqlite:///a/b@c.db"),
        ("https://host/path@2x.png?mail=a@b", "https://host/path@2x.png?mail=a@b"),
        ("nobody@example.org", "nobody@example.org"),
    ],
)
def test_credentials_in_addresses_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert printable("a\x1b[2Jb\x07é\n\tσ") == "a\\x1b[2Jb\\x07é\n\tσ"

"""Text that is safe to show: passwords in addresses masked, control characters made visible."""

from __future__ import annotations

import re

# `scheme://user:password@`; a token alone may stand where the user does, so all of it goes.
# The last @ before the path counts: a password may hold one that nobody has escaped.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/?#]+@")
MASK = "***@"


def masked(text: str) -> str:
    """Return `text` with user and password of every address in it replaced by `***`."""
    return _CREDENTIALS.sub(MASK, text)


def printable(text: str) -> str:
    """Return `text` with control characters escaped, which a terminal would obey.

    Line breaks and tabs stay.
    """
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode()
        for character in text
    )

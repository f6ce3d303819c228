"""Text that is safe to show: passwords in addresses masked, control characters made visible."""

from __future__ import annotations

import re

# `scheme://user:password@`; a token alone may stand where the user does, so all of it goes. The
# last @ counts, since a password may hold anything that nobody has escaped; a path that begins
# with / has no user before it. Without a scheme, the colon tells.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]\S*@|[^\s/:@'\"]+:(?!/)[^\s@'\"]+@")
_SECRETS = re.compile(
    r"(?<=[?&;])(\w*(?:password|passwd|pwd|token|secret|key|sig)\w*)=[^\s&;]+", re.IGNORECASE
)
MASK = "***@"


def masked(text: str) -> str:
    """Return `text` with user and password of every address in it replaced by `***`.

    Rather too much than too little: an @ in an address's path is taken for a user's, too.
    """
    return _SECRETS.sub(r"\1=***", _CREDENTIALS.sub(MASK, text))


def printable(text: str) -> str:
    """Return `text` as it can be shown: masked, and with control characters escaped.

    Line breaks and tabs stay; a terminal would obey the others.
    """
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode()
        for character in masked(text)
    )


def one_line(text: object, most: int = 200) -> str:
    """Return a text as a line that can be shown, of no more than `most` characters."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= most else f"{line[:most]}..."

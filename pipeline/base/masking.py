"""Text that is safe to show: passwords in addresses masked, control characters made visible."""

from __future__ import annotations

import re

# `scheme://user:password@`. A token may take the user's place, so both are masked. A password may
# hold an @, so the last one counts. An address that begins with / has no user. Without a scheme,
# only `user:password@` with its colon is recognised.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]\S*@|[^\s/:@'\"]+:(?!/)[^\s@'\"]+@")
_SECRETS = re.compile(
    r"(?<=[?&;])(\w*(?:password|passwd|pwd|token|secret|key|sig)\w*)=[^\s&;]+", re.IGNORECASE
)
MASK = "***@"


def masked(text: str) -> str:
    """Return `text` with user and password of every address in it replaced by `***`.

    It masks too much rather than too little: an @ in an address's path counts as a user's.
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

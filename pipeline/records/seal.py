"""Sealed JSON: a content, the hash of what it belongs to, and the SHA-256 of both.

A seal detects accidental damage. A forger can compute a new seal; `pipeline.verify` detects that,
since it computes the content again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.files import canonical_json, content_of, fits, parse_json, sha256, write_json


def write_sealed(path: Path, content: Mapping[str, Any], of: str) -> None:
    """Write `content` with a seal.

    Args:
        path: the file.
        content: plain values.
        of: the hash of what the content belongs to, such as a record's manifest.
    """
    write_json(path, {"of": of, "sha256": _digest(content, of), "content": content})


def read_sealed(path: Path, of: str | None = None) -> dict[str, Any]:
    """Return the content of a sealed file.

    Args:
        path: the file.
        of: the hash of what the content has to belong to; None allows any.

    Raises:
        UserError: the file is missing, was changed, or belongs to something else.
    """
    sealed = parse_json(content_of(path), name=str(path))
    if not fits(sealed, {"of": str, "sha256": str, "content": dict}):
        raise UserError(f"{path} is not a sealed file")
    content: dict[str, Any] = sealed["content"]
    if sealed["sha256"] != _digest(content, sealed["of"]):
        raise UserError(
            f"{path} was changed after it was written: its seal does not match its content"
        )
    if of is not None and sealed["of"] != of:
        raise UserError(f"{path} belongs to {sealed['of']}, not to {of}")
    return content


def _digest(content: Mapping[str, Any], of: str) -> str:
    return sha256(canonical_json({"of": of, "content": content}))

"""The zip file of a share, written and read.

Convention: a share is a mapping of names to contents. Its zip depends on that alone, not on Python
or machine: entries are sorted, uncompressed (releases of zlib differ), and have one time and mode.
So a zip can hide nothing: it is refused unless `pack` makes the same bytes of its files.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from pipeline.base.errors import UserError
from pipeline.base.masking import one_line

# Paths inside the share: no `..`, no drive, no character with a special meaning.
NAME = re.compile(r"(?:\w[\w.+-]*|\.\w[\w.+-]*)(?:/(?:\w[\w.+-]*|\.\w[\w.+-]*))*", re.ASCII)
LONGEST_NAME = 200
# Each entry of an archive takes memory, even if it is empty.
MOST_ENTRIES, ENTRY = 20_000, b"PK\x01\x02"
TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
MODE = stat.S_IFREG | 0o644


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the zip file of `files`.

    Raises:
        UserError: a name is not allowed in a share.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            _check_name(name, "the share")
            entry = zipfile.ZipInfo(name, date_time=TIME)
            entry.create_system, entry.external_attr = 3, MODE << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def unpack(content: bytes, name: str) -> dict[str, bytes]:
    """Return the files of a zip that `pack` made; `content` is not trusted.

    Files are stored uncompressed, so together they cannot declare to be larger than the archive.

    Raises:
        UserError: it is no such zip; `name` is in the message.
    """
    if content.count(ENTRY) > MOST_ENTRIES:
        raise UserError(f"{name} holds more than {MOST_ENTRIES} files")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(content), name)
            files = {entry.filename: archive.read(entry) for entry in entries}
    except UserError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds
        reason = one_line(error) or type(error).__name__
        raise UserError(f"{name} is not a readable zip file ({reason})") from None
    if pack(files) != content:
        raise UserError(
            f"{name} has other bytes than `pipeline share` writes for its files, without links; "
            "allowed is the file as it was shared, not one that was unpacked and packed again"
        )
    return files


def _check_entries(entries: list[zipfile.ZipInfo], size: int, name: str) -> None:
    seen: set[str] = set()
    for entry in entries:
        _check_name(entry.filename, name)
        # Unpacking could fill the memory, whatever size is declared.
        if entry.compress_type != zipfile.ZIP_STORED:
            raise UserError(f"{name}: {entry.filename} is compressed; allowed are stored files")
        # Some systems take `A` and `a` for one name.
        if entry.filename.lower() in seen:
            raise UserError(f"{name}: two files have the name {entry.filename}")
        seen.add(entry.filename.lower())
    for entry in entries:
        if any(str(folder).lower() in seen for folder in PurePosixPath(entry.filename).parents):
            raise UserError(f"{name}: {entry.filename} lies in a folder that is also a file")
    if sum(entry.file_size for entry in entries) > size:
        raise UserError(f"{name}: its files claim to be larger than the archive is")


def _check_name(entry: str, name: str) -> None:
    if len(entry) > LONGEST_NAME or not NAME.fullmatch(entry):
        raise UserError(
            f"{name}: {one_line(entry)!r} is not the name of a file in a share, such as "
            "results/metrics.json"
        )

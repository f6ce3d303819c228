"""Atomic, byte-deterministic writing, and the hashes that readers check.

Convention: a file appears under its final name complete or not at all, and the same content
always has the same bytes: JSON with a fixed layout, npz without time stamps.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import stat
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.masking import one_line

# Files that a process killed in `write_bytes` leaves behind.
UNFINISHED = ".*.tmp"
# The largest file that is read: far above any file here, far below the size of memory.
MOST_BYTES = 2**28


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return the JSON text of `value` for hashing: equal values give equal bytes.

    Raises:
        ValueError: a number is not finite; JSON has no text for it.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`: temporary file in the same folder, flush, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # the error of a full disk names no file
        raise


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file of no more than `most` bytes.

    Raises:
        OSError: it cannot be read, is larger, or is a pipe, a device or a folder.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if status.st_size > most:
        raise OSError(errno.EFBIG, f"{status.st_size} bytes; at most {most} are read")
    with path.open("rb") as file:
        return file.read(most)


def content_of(path: Path) -> bytes:
    """Return the content of a file that somebody else may have written; see `read_bytes`.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return read_bytes(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline; keys keep their order."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Return the content of the file that `write_json` writes."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> Any:
    """Read a JSON file that a stage has made.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return parse_json(path.read_bytes(), name=str(path))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro` makes it") from None
    except UserError as error:
        raise UserError(f"{error}; delete it and run `dvc repro`") from None


def parse_json(content: bytes, *, name: str) -> Any:
    """Return the value of a JSON text, in which every number is finite.

    Raises:
        UserError: `content` is no such text; `name` is in the message.
    """
    try:
        return json.loads(content, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is not JSON ({error})") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def fits(value: object, shape: object) -> bool:
    """Tell whether plain data have a given structure.

    Args:
        value: what a JSON text holds.
        shape: a type; a tuple of alternative shapes; `[shape]`, a list of any length; a dict with
            exactly these keys, where the key `str` stands for any others.
    """
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(entry, shape[0]) for entry in value)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return False
        others = dict.fromkeys(value, shape[str]) if str in shape else {}
        expected = others | {name: each for name, each in shape.items() if name is not str}
        return value.keys() == expected.keys() and all(fits(value[k], expected[k]) for k in value)
    return type(value) is shape


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values with the library that DVC writes it with."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(path)


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table of plain values; floats keep all their digits."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [[_plain(value) for value in row] for row in (header, *rows)]
    )
    write_bytes(path, text.getvalue().encode())


def _plain(value: object) -> object:
    return float(value) if isinstance(value, np.floating) else value


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of an npz archive of `arrays`, without time stamps or pickle.

    `np.savez` is not used: its zip headers differ between releases of Python. Arrays are written
    in C order.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise TypeError(f"{name} holds Python objects; an npz here holds plain arrays")
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


def arrays_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays: of their names, types, shapes and bytes."""
    return sha256(npz_bytes(arrays))


def parse_npz(content: bytes, *, name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz archive held in memory.

    The sizes that the archive declares are not trusted: unpacked bytes are counted.

    Raises:
        UserError: `content` is damaged, holds anything but plain arrays, or unpacks to more than
            `MOST_BYTES`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            arrays: dict[str, NDArray[Any]] = {}
            room = MOST_BYTES
            for entry in archive.infolist():
                with archive.open(entry) as member:
                    unpacked = member.read(room + 1)
                room -= len(unpacked)
                if room < 0:
                    raise ValueError(f"more than {MOST_BYTES} bytes")
                arrays[entry.filename.removesuffix(".npy")] = _parse_npy(unpacked)
            if len(arrays) != len(archive.infolist()):
                raise ValueError("two arrays have one name")
            return arrays
    except Exception as error:  # zipfile and NumPy's parser of headers raise a dozen kinds
        reason = one_line(error) or type(error).__name__
        raise UserError(f"{name} is not a readable npz archive ({reason})") from None


def _parse_npy(content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array is not in NumPy's format 1.0")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("an array holds Python objects")
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(f"an array of shape {shape} and {dtype} has other bytes")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)

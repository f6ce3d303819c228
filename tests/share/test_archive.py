"""The zip file: the same bytes everywhere, and no other zip is read."""

import io
import stat
import subprocess
import warnings
import zipfile
from collections.abc import Callable

import pytest

from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.base.paths import find_root
from pipeline.share.archive import pack, unpack
from tests.pythons import interpreter, promised

FILES = {"b/c.txt": b"text\n", "a.npz": bytes(range(256)), ".dvc/config": b"", "b/C-d_e.f": b"x"}


def test_what_was_packed_comes_back() -> None:
    assert unpack(pack(FILES), "x.zip") == FILES
    assert pack(dict(reversed(FILES.items()))) == pack(FILES)


@pytest.mark.parametrize("version", promised(find_root()))
def test_every_python_packs_the_same_bytes(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not here")
    code = (
        "import hashlib; from pipeline.share.archive import pack, unpack; "
        f"content = pack({FILES!r}); assert unpack(content, 'x') == {FILES!r}; "
        "print(hashlib.sha256(content).hexdigest())"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=find_root(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == sha256(pack(FILES))


def zipped(name: str, mode: int = 0o100644, *, compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.external_attr = 3, mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        archive.writestr(entry, bytes(1_000_000) if compressed else b"/etc/passwd")
    return buffer.getvalue()


def twice() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name in ("a.txt", "a.txt"):
            archive.writestr(zipfile.ZipInfo(name), b"")
    return buffer.getvalue()


def overlapping() -> bytes:
    """Return an archive whose entries are one and the same content: what a quoted bomb does."""
    content = bytearray(pack({f"{number}.bin": bytes(10_000) for number in range(3)}))
    directory = content.index(b"PK\x01\x02")
    first = b"PK\x01\x02"
    places = [directory]
    while (place := content.find(first, places[-1] + 4)) >= 0:
        places.append(place)
    local = content[: content.index(b"PK\x03\x04", 4)]
    # All three point to the first content; its name differs, which zipfile checks later.
    for place in places:
        content[place + 42 : place + 46] = bytes(4)
    shift = directory - len(local)
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = (directory - shift).to_bytes(4, "little")
    return bytes(local + content[directory:])


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "a folder above": (lambda: zipped("../evil.txt"), "not the name of a file"),
    "an absolute path": (lambda: zipped("/etc/passwd"), "not the name of a file"),
    "a path of Windows": (lambda: zipped("a\\..\\b"), "not the name of a file"),
    "a drive": (lambda: zipped("C:evil.txt"), "not the name of a file"),
    "a dot inside": (lambda: zipped("a/./b"), "not the name of a file"),
    "a folder": (lambda: zipped("a/"), "not the name of a file"),
    "no name": (lambda: zipped(""), "not the name of a file"),
    "an escape": (lambda: zipped("a\x1b[2Jb"), "not the name of a file"),
    "a long name": (lambda: zipped("a" * 300), "not the name of a file"),
    "a link": (lambda: zipped("a.txt", stat.S_IFLNK | 0o777), "other bytes than .* links"),
    "a device": (lambda: zipped("a.txt", stat.S_IFCHR | 0o644), "other bytes than .* links"),
    "a bomb": (lambda: zipped("a.txt", compressed=True), "is compressed"),
    "overlapping files": (overlapping, "larger than the archive"),
    "two of a name": (twice, "two files have the name a.txt"),
    "two of a name to some": (lambda: pack({"a": b"", "A": b""}), "two files have the name"),
    "a file that is a folder, too": (lambda: pack({"a": b"", "A/b/c": b""}), "A/b/c lies in"),
    "another mode": (lambda: zipped("a.txt", 0o100755), "other bytes than `pipeline share`"),
    "something before": (lambda: b"#!/bin/sh\n" + pack(FILES), "other bytes than"),
    "something after": (lambda: pack(FILES) + b"\0", "x.zip"),
    "too many files": (lambda: pack(FILES) + b"PK\x01\x02" * 60_000, "more than 20000 files"),
    "half of it": (lambda: pack(FILES)[:200], "not a readable zip file"),
    "nothing": (lambda: b"", "not a readable zip file"),
    "no zip": (lambda: bytes(range(256)) * 9, "not a readable zip file"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_another_zip_is_refused_in_one_line(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        unpack(make(), "x.zip")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_every_changed_byte_of_a_zip_is_found() -> None:
    content = pack({"a": b"12", "b": b""})
    for place in range(len(content)):
        for value in (0, 1, 0x50, 0xFF):
            changed = bytes([*content[:place], value, *content[place + 1 :]])
            if changed != content:
                try:
                    files = unpack(changed, "x.zip")
                except UserError:
                    continue
                assert pack(files) == changed  # another share, such as one of another name


def test_a_name_that_no_share_can_hold_is_refused_when_it_is_written() -> None:
    with pytest.raises(UserError, match="'../a' is not the name"):
        pack({"../a": b""})

"""Gets the files of a data set: from local folders, then from public mirrors.

Convention: a file is accepted under any of its usual names if its SHA-256 is the expected one. It
may be gzipped or not, unless the gzipped file itself is declared. Otherwise the next place is
tried; the final error lists all places. Only `data/raw` and the cache folder are written to.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch

from pipeline.base.errors import DataUnavailable, UserError
from pipeline.base.files import read_bytes, sha256, write_bytes
from pipeline.base.masking import MASK, printable
from pipeline.base.paths import Paths
from pipeline.data.catalogue import DATASETS, Dataset
from pipeline.data.idx import GZIP_MAGIC, MOST_BYTES, unpack
from pipeline.data.web import Absent, Unreachable, download

TOTAL_SECONDS = 600.0


class _Wrong(Exception):
    """A file exists but cannot be used; the message says why."""


class _Place(NamedTuple):
    """A place to look for files.

    Attributes:
        shown: its name in messages, without passwords.
        read: returns the content of a file, by name; raises Absent, _Wrong, Unreachable.
        public: whether it is a public mirror; its files are gzipped, under their original names.
    """

    shown: str
    read: Callable[[str], bytes]
    public: bool = False

    def names(self, name: str) -> list[str]:
        """Return the names that a file may have here, such as those that unpacking tools give."""
        packed = f"{name.removesuffix('.gz')}.gz"
        if self.public:
            return [packed]
        names = [name, packed]  # the same where the packed file is declared
        return list(dict.fromkeys([*names, *(each.replace("-idx", ".idx") for each in names)]))


def obtain(
    dataset: Dataset,
    paths: Paths,
    *,
    folder: str | None = None,
    mirror: str | None = None,
    cache: Path | None = None,
    deadline: float = TOTAL_SECONDS,
) -> None:
    """Get all files of a data set into `data/raw/<name>`.

    Valid files there are kept. The others are looked for, in this order, in `folder`,
    `data/given/<name>`, `mirror`, the folder beside the checkout, `cache`, scikit-learn's embedded
    data, and the data set's public mirrors.

    Args:
        dataset: what to get.
        paths: of the checkout.
        folder: a folder; a relative path starts at the checkout.
        mirror: a folder likewise, or an address (file, http, https); files lie in it directly or in
            a subfolder with the data set's name.
        cache: a folder that keeps files of public mirrors; skipped if it cannot be used.
        deadline: limit in seconds for all files together.

    Raises:
        UserError: no place has a file; the message lists the places and what to do. For a data set
            of the catalogue, `DataUnavailable`.
    """
    places = list(_places(dataset, paths, folder, mirror, cache))
    ends, raw = time.monotonic() + deadline, paths.raw(dataset.name)
    for name in dataset.files:
        with suppress(Absent, _Wrong):
            _checked(_read(raw / name), dataset, name)
            continue
        content, place = _find(dataset, name, places, ends, paths.given(dataset.name))
        write_bytes(raw / name, content)
        if place.public and cache:
            with suppress(OSError):  # a cache that cannot be written is not needed
                write_bytes(cache / name, content)


def user_cache(dataset: str) -> Path | None:
    """Return the user's folder of downloads, or None if the user has no home folder."""
    try:
        folder: Path = pooch.os_cache("mnist-lecture")
    except RuntimeError:
        return None
    return folder / dataset


# --- where to look -----------------------------------------------------------------------------


def _places(
    dataset: Dataset,
    paths: Paths,
    folder: str | None,
    mirror: str | None,
    cache: Path | None,
) -> Iterator[_Place]:
    if folder:
        yield _folder(paths.home / Path(folder).expanduser())
    yield _folder(paths.given(dataset.name))
    if mirror:
        yield from _mirror(mirror, dataset.name, paths)
    yield _folder(paths.beside(dataset.name))
    if cache:
        yield _folder(cache)
    if dataset.embedded:
        yield _Place("scikit-learn", _embedded)
    for address in dataset.mirrors:
        yield _web(address, public=True)


def _folder(folder: Path) -> _Place:
    return _Place(printable(str(folder)), lambda name: _read(folder / name))


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise Absent("not there") from None
    except OSError as error:
        raise _Wrong(error.strerror or type(error).__name__) from None


def _embedded(name: str) -> bytes:
    from pipeline.data.embedded import embedded_files  # imports scikit-learn

    try:
        return embedded_files()[name]
    except KeyError:
        raise Absent("not there") from None


def _mirror(mirror: str, dataset: str, paths: Paths) -> list[_Place]:
    # The subfolder first: a file of the same name above it may be another data set's.
    if mirror.lower().startswith("file:"):
        mirror = url2pathname(urlsplit(mirror).path)
    if "://" in mirror:
        return [_web(f"{mirror.rstrip('/')}/{dataset}"), _web(mirror)]
    folder = paths.home / mirror
    return [_folder(folder / dataset), _folder(folder)]


def _web(address: str, *, public: bool = False) -> _Place:
    scheme, _, rest = address.rstrip("/").partition("://")
    _, at, host = rest.rpartition("@")
    shown = printable(f"{scheme}://{MASK if at else ''}{host}")
    return _Place(shown, lambda name: download(f"{scheme}://{rest}/{name}"), public)


# --- trying one place after the other ----------------------------------------------------------


def _find(
    dataset: Dataset, name: str, places: Sequence[_Place], ends: float, given: Path
) -> tuple[bytes, _Place]:
    """Return the valid content of a file, and the first place that has it."""
    tried: list[str] = []
    unusable: list[str] = []
    for place in places:
        answer, wrong = "not there", []
        for candidate in place.names(name):
            try:
                content = _before(ends, partial(place.read, candidate))
                content = _checked(content, dataset, name)
            except _Wrong as error:
                wrong.append(f"{place.shown}/{candidate}: {error}")
            except Absent as error:
                answer = str(error)
            except Unreachable as error:
                answer = str(error)
                break
            else:
                for file in unusable + wrong:
                    print(f"warning: {file}; {place.shown} has the right one", file=sys.stderr)
                return content, place
        tried += wrong or [f"{place.shown}: {answer}"]
        unusable += wrong
    text = f"{name} of {dataset.title} could not be obtained. Put {', '.join(dataset.files)} into "
    if dataset.name not in DATASETS:
        raise UserError(f"{text}{given}. Tried: {'; '.join(tried)}")
    raise DataUnavailable(
        f"{text}{given}, or go without a network: `make demo` runs the pipeline on scikit-learn's "
        f"embedded digits (data=digits). Tried: {'; '.join(tried)}"
    )


def _checked(content: bytes, dataset: Dataset, name: str) -> bytes:
    """Return `content`, unpacked unless the packed file is declared; raise `_Wrong` if invalid."""
    expected = dataset.files[name]
    if content.startswith(GZIP_MAGIC) and not name.endswith(".gz"):
        try:
            content = unpack(content, name="unpacking")
        except UserError as error:
            raise _Wrong(str(error)) from None
    if sha256(content) != expected:
        raise _Wrong(f"SHA-256 expected {expected}, got {sha256(content)}")
    return content


def _before(ends: float, read: Callable[[], bytes]) -> bytes:
    """Return the result of `read`, or raise `Unreachable` when time is up.

    A server that sends headers for ever, or a network drive that hangs, cannot be interrupted; the
    thread that waits for it ends with this process at the latest.
    """
    if time.monotonic() > ends:
        raise Unreachable("no time left")
    result: Future[bytes] = Future()

    def work() -> None:
        try:
            result.set_result(read())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return result.result(timeout=max(0.0, ends - time.monotonic()))
    except TimeoutError:
        raise Unreachable("too slow: time was up") from None

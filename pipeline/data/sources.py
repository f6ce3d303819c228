"""Getting a data set's files: from folders that may hold them, then from public mirrors.

Convention: the hash decides. Whatever a source hands out is kept only if its SHA-256 is the
catalogue's; otherwise the next source is tried, and the final error lists them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pooch
import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from pipeline.data.catalogue import Dataset
from pipeline.errors import UserError
from pipeline.files import sha256, write_bytes

TOTAL_SECONDS = 600.0
CONNECT_SECONDS, READ_SECONDS = 10.0, 20.0
MOST_REDIRECTS = 5
# The largest file of the catalogue has 26 MB; nobody has to be sent more than this.
MOST_BYTES = 64 * 2**20

pooch.get_logger().setLevel("WARNING")  # our own bar and errors tell the same


class SourceError(Exception):
    """A source does not have the file; says why."""


def obtain(
    dataset: Dataset,
    folder: Path,
    *,
    mirror: str | None = None,
    beside: Path | None = None,
    deadline: float = TOTAL_SECONDS,
    progress: bool = False,
) -> None:
    """See to it that `folder` holds all files of a data set.

    Args:
        dataset: what to get.
        folder: where to put it; files that are there already and true are left alone.
        mirror: a folder or http(s) address to try first. MNIST's files lie in it directly,
            another data set's in a subfolder of its name.
        beside: a folder to try next.
        deadline: seconds for everything together.
        progress: whether to draw a bar.

    Raises:
        UserError: a file is nowhere to be had; lists what was tried and what to do.
    """
    if not dataset.mirrors:
        _write_embedded(dataset, folder)
        return
    ends = time.monotonic() + deadline
    for name, expected in dataset.files.items():
        _obtain_one(
            dataset, folder, name, expected, _sources(dataset, mirror, beside, ends, progress)
        )


def _write_embedded(dataset: Dataset, folder: Path) -> None:
    from pipeline.data.embedded import embedded_files  # imports scikit-learn

    for name, content in embedded_files().items():
        if sha256(content) != dataset.files[name]:
            raise UserError(
                f"{name} of {dataset.name}: SHA-256 expected {dataset.files[name]}, got "
                f"{sha256(content)}; is scikit-learn the version of requirements.lock?"
            )
        write_bytes(folder / name, content)


@dataclass(frozen=True)
class _Source:
    """A place and how to fetch a file of a given hash from it into a folder."""

    place: str
    fetch: Callable[[str, str, Path], None]


def _sources(
    dataset: Dataset, mirror: str | None, beside: Path | None, ends: float, progress: bool
) -> list[_Source]:
    sources = []
    if mirror:
        place = mirror.rstrip("/")
        if dataset.name != "mnist":
            place += f"/{dataset.name}"
        sources.append(_web(place, ends, progress) if "://" in place else _local(Path(place)))
    if beside is not None:
        sources.append(_local(beside))
    return sources + [_web(place.rstrip("/"), ends, progress) for place in dataset.mirrors]


def _obtain_one(
    dataset: Dataset, folder: Path, name: str, expected: str, sources: list[_Source]
) -> None:
    path = folder / name
    try:
        if sha256(path.read_bytes()) == expected:
            return
    except OSError:
        pass  # not there, or not readable: to be fetched
    tried = []
    for source in sources:
        try:
            source.fetch(name, expected, folder)
            return
        except SourceError as error:
            tried.append(f"{source.place}: {error}")
    raise UserError(
        f"{name} of {dataset.title} is nowhere to be had. Tried: {'; '.join(tried)}. Put the "
        f"files {', '.join(dataset.files)} into {folder}, or go without a network: "
        "`make demo` runs the pipeline on scikit-learn's embedded digits (data=digits)"
    )


def _local(place: Path) -> _Source:
    def fetch(name: str, expected: str, folder: Path) -> None:
        try:
            content = (place / name).read_bytes()
        except OSError as error:
            raise SourceError(error.strerror or type(error).__name__) from None
        if sha256(content) != expected:
            raise SourceError(f"SHA-256 expected {expected}, got {sha256(content)}")
        write_bytes(folder / name, content)

    return _Source(str(place), fetch)


def _web(place: str, ends: float, progress: bool) -> _Source:
    def fetch(name: str, expected: str, folder: Path) -> None:
        if time.monotonic() > ends:
            raise SourceError("no time left")
        try:
            # pooch writes to a temporary file, checks the hash, and moves it into place.
            pooch.retrieve(
                f"{place}/{name}",
                known_hash=f"sha256:{expected}",
                fname=name,
                path=folder,
                downloader=_Downloader(ends, progress),
            )
        except (requests.RequestException, HTTPError) as error:
            raise SourceError(_reason(error)) from None
        except (ValueError, OSError) as error:  # pooch's word for a wrong hash, and the disk's
            raise SourceError(" ".join(str(error).split())) from None

    return _Source(place, fetch)


def _reason(error: Exception) -> str:
    """Return the innermost cause: what is wrapped around it names no more than it does."""
    cause: object = error
    while isinstance(cause, Exception):
        inner = [part for part in (getattr(cause, "reason", None), *cause.args) if part]
        wrapped = [part for part in inner if isinstance(part, Exception)]
        if not wrapped:
            break
        cause = wrapped[0]
    return " ".join(str(cause).split())


@dataclass(frozen=True)
class _Downloader:
    """pooch's protocol: write what a URL gives to a file, within limits of time and size."""

    ends: float
    progress: bool

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: Any) -> None:
        assert isinstance(output_file, str)
        with requests.Session() as session, open(output_file, "wb") as file:
            # A session follows redirects to http and https only.
            session.max_redirects = MOST_REDIRECTS
            retry = Retry(
                total=2,
                redirect=False,  # requests follows these
                status_forcelist=(500, 502, 503, 504),
                backoff_factor=0.3,
                respect_retry_after_header=False,  # our own deadline holds
            )
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=retry))
            timeout = (CONNECT_SECONDS, max(0.1, min(READ_SECONDS, self.ends - time.monotonic())))
            response = session.get(url, stream=True, timeout=timeout)
            response.raise_for_status()
            self._copy(response, file)

    def _copy(self, response: requests.Response, file: IO[bytes]) -> None:
        total = int(response.headers.get("Content-Length", 0)) or None
        name = response.url.rpartition("/")[2]
        written = 0
        with tqdm(
            total=total, desc=name, unit="B", unit_scale=True, disable=not self.progress
        ) as bar:
            # read1 returns what one system call gave: a source that drips a byte a second never
            # runs into the read time-out, but is stopped here.
            while chunk := response.raw.read1(2**16):
                written += len(chunk)
                if written > MOST_BYTES:
                    raise requests.RequestException(f"more than {MOST_BYTES} bytes")
                if time.monotonic() > self.ends:
                    raise requests.Timeout(f"too slow: {written} bytes when time was up")
                file.write(chunk)
                bar.update(len(chunk))

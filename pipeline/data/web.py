"""One download, within limits of size and time, and without a word about passwords."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from pipeline.base.masking import printable
from pipeline.data.idx import MOST_BYTES

CONNECT_SECONDS, READ_SECONDS = 10.0, 20.0
MOST_REDIRECTS = 5


class Absent(Exception):
    """A place has no file of this name; says how it answered."""


class Unreachable(Exception):
    """A place gives no file at all; says why."""


def download(url: str, *, ends: float, progress: bool) -> bytes:
    """Return what an address gives, at most `MOST_BYTES`.

    It notices that time is up when something arrives: who has to be sure does not wait for it.

    Args:
        url: http or https, perhaps with user and password.
        ends: on the monotonic clock, when to stop reading.
        progress: whether to draw a bar.

    Raises:
        Absent: there is no such file.
        Unreachable: anything else.
    """
    try:
        return _fetch(url, ends, progress)
    except requests.exceptions.InvalidURL:  # its text has parts of the address in it
        raise Unreachable("no valid address") from None
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise Unreachable(printable(_reason(error))) from None


def _fetch(url: str, ends: float, progress: bool) -> bytes:
    with requests.Session() as session:
        # A session follows redirects to http and https only.
        session.max_redirects = MOST_REDIRECTS
        # It also reads what a redirect carries, all of it, unless there is nothing to read.
        session.hooks["response"].append(_close_redirect)
        # Answers are not tried again: that would read them, however long they are.
        retry = Retry(total=2, redirect=False, backoff_factor=0.3, respect_retry_after_header=False)
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        timeout = (CONNECT_SECONDS, max(0.1, min(READ_SECONDS, ends - time.monotonic())))
        with session.get(url, stream=True, timeout=timeout) as response:
            if response.status_code in (403, 404, 410):
                raise Absent(f"{response.status_code} {printable(response.reason or '')}")
            response.raise_for_status()
            return _body(response, ends, progress)


def _close_redirect(response: requests.Response, **_: object) -> None:
    if response.is_redirect:
        response.raw.close()


def _body(response: requests.Response, ends: float, progress: bool) -> bytes:
    total = int(response.headers.get("Content-Length", 0)) or None
    content = bytearray()
    name = printable(urlsplit(response.url).path.rpartition("/")[2])
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, disable=not progress) as bar:
        # read1 returns what one system call gave, so that a slow source is noticed.
        while (chunk := response.raw.read1(2**16)) and time.monotonic() < ends:
            content += chunk
            if len(content) > MOST_BYTES:
                raise requests.RequestException(f"more than {MOST_BYTES} bytes")
            bar.update(len(chunk))
    return bytes(content)


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

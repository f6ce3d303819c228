"""Downloads a file of limited size; error messages contain no passwords."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from pipeline.base.masking import one_line, printable
from pipeline.data.idx import MOST_BYTES

CONNECT_AND_READ_SECONDS = (10.0, 20.0)
MOST_REDIRECTS = 5


class Absent(Exception):
    """A place has no file of this name; the message is its answer."""


class Unreachable(Exception):
    """A place cannot be read; the message says why."""


def download(url: str) -> bytes:
    """Return the content at an address, at most `MOST_BYTES`; there is no limit of time.

    Args:
        url: http or https, perhaps with user and password.

    Raises:
        Absent: there is no such file.
        Unreachable: anything else.
    """
    with requests.Session() as session:
        # A session follows redirects to http and https only.
        session.max_redirects = MOST_REDIRECTS
        # It also reads the body of a redirect, however long it is, unless that is closed.
        session.hooks["response"].append(_close_redirect)
        # No retries after an answer: they would read its body, however long it is.
        retry = Retry(total=2, redirect=False, backoff_factor=0.3, respect_retry_after_header=False)
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            with session.get(url, stream=True, timeout=CONNECT_AND_READ_SECONDS) as response:
                if response.status_code in (403, 404, 410):
                    raise Absent(f"{response.status_code} {printable(response.reason or '')}")
                response.raise_for_status()
                content: bytes = response.raw.read(MOST_BYTES + 1)
        except requests.exceptions.InvalidURL:  # its message contains parts of the address
            raise Unreachable("no valid address") from None
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise Unreachable(one_line(_innermost(error))) from None
    if len(content) > MOST_BYTES:
        raise Unreachable(f"more than {MOST_BYTES} bytes")
    return content


def _close_redirect(response: requests.Response, **_: object) -> None:
    if response.is_redirect:
        response.raw.close()


def _innermost(error: BaseException) -> BaseException:
    """Return the error that caused all others; those around it add no information."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error

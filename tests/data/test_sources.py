"""Getting files from sources that fail in every way, over a real HTTP server."""

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.data.catalogue import Dataset
from pipeline.data.sources import obtain
from pipeline.errors import UserError

CONTENT = bytes(range(256)) * 40
NAME = "train-labels-idx1-ubyte.gz"
SHA = hashlib.sha256(CONTENT).hexdigest()


class Misbehaving(BaseHTTPRequestHandler):
    """The first part of the path says how it behaves."""

    def do_GET(self) -> None:
        getattr(self, self.path.split("/")[1])()

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def _answer(self, status: int, body: bytes, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        self._answer(200, CONTENT, len(CONTENT))

    def missing(self) -> None:
        self._answer(404, b"not here", 8)

    def broken(self) -> None:
        self._answer(500, b"sorry", 5)

    def circular(self) -> None:
        self._answer(302, b"", 0, Location=self.path)

    def elsewhere(self) -> None:
        self._answer(302, b"", 0, Location="file:///etc/hostname")

    def html(self) -> None:
        self._answer(200, b"<html>Please log in</html>", 26)

    def cut(self) -> None:
        self._answer(200, CONTENT[:100], len(CONTENT))

    def cut_silently(self) -> None:
        self._answer(200, CONTENT[:100], None)

    # Of all requests since they were set to 0, the one with this number has this fault.
    requests, failing, fault = 0, 0, "good"

    def kth(self) -> None:
        Misbehaving.requests += 1
        failing = Misbehaving.requests == Misbehaving.failing
        getattr(self, Misbehaving.fault if failing else "good")()

    def drip(self) -> None:
        self._answer(200, b"", len(CONTENT))
        for value in CONTENT[:200]:
            try:
                self.wfile.write(bytes([value]))
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def dataset(*mirrors: str) -> Dataset:
    return Dataset("mnist", "a test", "nowhere", {NAME: SHA}, mirrors)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


FAULTS = {
    "missing": "404 Client Error",
    "broken": "too many 500 error responses",
    "circular": "Exceeded 5 redirects",
    "elsewhere": "No connection adapters were found for 'file:///etc/hostname'",
    "html": f"{SHA}",
    "cut": "IncompleteRead(100 bytes read, 10140 more expected)",
    "cut_silently": f"{SHA}",
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
def test_a_fault_is_told_and_the_next_source_is_used(
    fault: str, reason: str, server: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="nowhere to be had") as caught:
        obtain(dataset(f"{server}/{fault}"), tmp_path)
    assert reason in str(caught.value)
    assert f"{server}/{fault}" in str(caught.value)
    assert left_in(tmp_path) == []
    obtain(dataset(f"{server}/{fault}", f"{server}/good/"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert left_in(tmp_path) == [NAME]


def test_a_source_that_drips_is_left_when_time_is_up(server: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match="too slow: [0-9]+ bytes when time was up"):
        obtain(dataset(f"{server}/drip", f"{server}/good"), tmp_path, deadline=1.0)
    assert time.monotonic() - began < 8  # the drip itself lasts 10 s
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("fault", ["missing", "html", "cut", "cut_silently", "elsewhere"])
def test_a_request_that_fails_loses_nothing(fault: str, server: str, tmp_path: Path) -> None:
    """The k-th request fails, k = 1, 2, ... until all get through; a plain rerun has every file."""
    names = (NAME, "t10k-labels-idx1-ubyte.gz", "train-images-idx3-ubyte.gz")
    wanted = Dataset("mnist", "a test", "nowhere", dict.fromkeys(names, SHA), (f"{server}/kth",))
    for number in range(1, 10):
        folder = tmp_path / str(number)
        Misbehaving.fault, Misbehaving.failing, Misbehaving.requests = fault, number, 0
        try:
            obtain(wanted, folder)
        except UserError:
            assert left_in(folder) == sorted(names[: number - 1])
        if Misbehaving.requests < number:
            break
        obtain(wanted, folder)
        assert {(folder / name).read_bytes() for name in left_in(folder)} == {CONTENT}
        assert left_in(folder) == sorted(names)
    assert number == len(names) + 1


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Connection refused") as caught:
        obtain(dataset("http://127.0.0.1:9"), tmp_path)
    for part in (str(tmp_path), NAME, "make demo", "data=digits"):
        assert part in str(caught.value)


def test_files_that_are_there_need_no_network(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    obtain(dataset("http://127.0.0.1:9"), tmp_path)


def test_a_damaged_file_is_fetched_again(server: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    obtain(dataset(f"{server}/good"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_mirror_may_be_a_folder_or_an_address(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    for number, mirror in enumerate((str(folder), f"{server}/good")):
        target = tmp_path / str(number)
        obtain(dataset("http://127.0.0.1:9"), target, mirror=mirror)
        assert (target / NAME).read_bytes() == CONTENT


def test_a_folder_with_a_wrong_file_is_told_with_both_hashes(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / NAME).write_bytes(b"something else")
    got = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(UserError, match=f"SHA-256 expected {SHA}, got {got}"):
        obtain(dataset("http://127.0.0.1:9"), tmp_path / "raw", beside=beside)
    assert left_in(tmp_path / "raw") == []

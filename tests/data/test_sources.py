"""Download files from a real HTTP server that fails in every way."""

import base64
import dataclasses
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from pipeline.base.errors import UserError
from pipeline.base.files import sha256
from pipeline.base.paths import Paths
from pipeline.data import sources
from pipeline.data.catalogue import DATASETS, Dataset
from pipeline.data.idx import MOST_BYTES
from pipeline.data.sources import obtain

CONTENT = bytes(range(256)) * 40
NAME = "train-labels-idx1-ubyte"
SHA = hashlib.sha256(CONTENT).hexdigest()
PACKED = gzip.compress(CONTENT, mtime=0)
NOBODY = "http://127.0.0.1:9"
ALICE = "Basic " + base64.b64encode(b"alice:p@ss/word").decode()


class Misbehaving(BaseHTTPRequestHandler):
    """The first part of the path says how it behaves."""

    def do_GET(self) -> None:
        getattr(self, self.path.split("/")[1].replace("tree", "_tree"))()

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def _answer(self, status: int, body: bytes, length: int | None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        self._answer(200, PACKED, len(PACKED))

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
        self._answer(200, PACKED[:100], len(PACKED))

    def cut_silently(self) -> None:
        self._answer(200, PACKED[:100], None)

    # Of all requests since they were set to 0, the one with this number has this fault.
    requests, failing, fault = 0, 0, "good"

    def kth(self) -> None:
        Misbehaving.requests += 1
        failing = Misbehaving.requests == Misbehaving.failing
        getattr(self, Misbehaving.fault if failing else "good")()

    def drip(self) -> None:
        self._answer(200, b"", len(PACKED))
        self._slowly(PACKED[:200])

    def header_drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self._slowly(b"X-Padding: " + b"a" * 200)

    def continuing(self) -> None:
        """Say `100 Continue` for ten seconds."""
        self._endless(b"HTTP/1.1 100 Continue\r\n\r\n", 10.0)

    def redirect_with_body(self) -> None:
        """Redirect to the good file, with a body that has no end."""
        self._answer(302, b"", None, Location="/good/" + NAME + ".gz")
        self._endless(bytes(2**16), 10.0)

    def redirect_with_bomb(self) -> None:
        bomb = gzip.compress(bytes(2**27))
        headers = {"Location": f"/good/{NAME}.gz", "Content-Encoding": "gzip"}
        self._answer(302, bomb, len(bomb), **headers)

    def error_with_body(self) -> None:
        self._answer(503, b"", None, **{"Retry-After": "100"})
        self._endless(bytes(2**16), 10.0)

    def endless(self) -> None:
        self._answer(200, b"", None)
        self._endless(bytes(2**16), 10.0)

    def nonsense_length(self) -> None:
        self._answer(200, PACKED, None, **{"Content-Length": "many"})

    # The first parts of the paths whose slow or endless answers came to their end.
    ended: ClassVar[list[str]] = []

    def _slowly(self, content: bytes) -> None:
        for value in content:
            try:
                self.wfile.write(bytes([value]))
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.05)
        Misbehaving.ended.append(self.path.split("/")[1])

    # How much the last endless answer sent before the client left.
    sent = 0

    def _endless(self, content: bytes, seconds: float) -> None:
        Misbehaving.sent = 0
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                self.wfile.write(content)
            except OSError:
                return
            Misbehaving.sent += len(content)
        Misbehaving.ended.append(self.path.split("/")[1])

    def private(self) -> None:
        """Give the file to alice, whose password is p@ss/word, and to nobody else."""
        self._to_alice(200, PACKED)

    def away(self) -> None:
        """Send alice, and nobody else, to `target`."""
        self._to_alice(302, b"", Location=Misbehaving.target)

    def _to_alice(self, status: int, body: bytes, **headers: str) -> None:
        if self.headers.get("Authorization") == ALICE:
            self._answer(status, body, len(body), **headers)
        else:
            self._answer(401, b"", 0)

    # Where `away` leads, and the passwords that came there.
    target = ""
    passwords: ClassVar[list[str | None]] = []

    def public(self) -> None:
        """Give the file to everybody, and note the password that was sent."""
        Misbehaving.passwords.append(self.headers.get("Authorization"))
        self.good()

    # Paths below /tree, by what lies there.
    tree: ClassVar[dict[str, bytes]] = {}

    def _tree(self) -> None:
        content = Misbehaving.tree.get(self.path)
        self._answer(404 if content is None else 200, content or b"", len(content or b""))


@contextmanager
def serving() -> Iterator[str]:
    """Serve on a free port; gives the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


def dataset(*names: str, mirrors: Sequence[str] = ()) -> Dataset:
    return dataclasses.replace(
        DATASETS["mnist"],
        title="a test",
        files=dict.fromkeys(names or (NAME,), SHA),
        mirrors=list(mirrors),
    )


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "checkout")


@pytest.fixture
def raw(paths: Paths) -> Path:
    return paths.raw("mnist")


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


FAULTS = {
    "missing": "404 Not Found",
    "broken": "500 Server Error",
    "circular": "Exceeded 5 redirects",
    "elsewhere": "No connection adapters were found for 'file:///etc/hostname'",
    "html": f"SHA-256 expected {SHA}",
    "cut": "not a gzip file, or a damaged one",
    "cut_silently": "not a gzip file, or a damaged one",
    "error_with_body": "503 Server Error",
    "endless": f"more than {MOST_BYTES} bytes",
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
def test_a_fault_is_told_and_the_next_source_is_used(
    fault: str, reason: str, server: str, paths: Paths, raw: Path
) -> None:
    with pytest.raises(UserError, match="could not be obtained") as caught:
        obtain(dataset(mirrors=[f"{server}/{fault}"]), paths)
    assert reason in str(caught.value)
    assert f"{server}/{fault}" in str(caught.value)
    assert left_in(raw) == []
    obtain(dataset(mirrors=[f"{server}/{fault}", f"{server}/good/"]), paths)
    assert (raw / NAME).read_bytes() == CONTENT
    assert left_in(raw) == [NAME]


def test_a_wrong_content_length_is_ignored(server: str, paths: Paths, raw: Path) -> None:
    obtain(dataset(mirrors=[f"{server}/nonsense_length"]), paths)
    assert (raw / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["drip", "header_drip", "continuing"])
def test_a_source_that_never_ends_is_left_when_time_is_up(
    fault: str, server: str, paths: Paths, raw: Path
) -> None:
    with pytest.raises(UserError, match="too slow: time was up.*no time left"):
        obtain(dataset(mirrors=[f"{server}/{fault}", f"{server}/good"]), paths, deadline=1.0)
    assert fault not in Misbehaving.ended
    assert left_in(raw) == []


@pytest.mark.parametrize("fault", ["redirect_with_body", "redirect_with_bomb"])
def test_what_a_redirect_carries_is_not_read(
    fault: str, server: str, paths: Paths, raw: Path
) -> None:
    """Only what the system's buffers took was sent; the file behind it is used."""
    Misbehaving.sent = 0
    obtain(dataset(mirrors=[f"{server}/{fault}"]), paths, deadline=8.0)
    assert (raw / NAME).read_bytes() == CONTENT
    assert Misbehaving.sent < 2**25


@pytest.mark.parametrize("fault", ["missing", "html", "cut", "cut_silently", "elsewhere"])
def test_a_request_that_fails_loses_nothing(fault: str, server: str, tmp_path: Path) -> None:
    """The k-th request fails, k = 1, 2, ... until all get through; a plain rerun has every file."""
    names = (NAME, "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte")
    public = [f"{server}/kth"]
    for number in range(1, 10):
        paths = Paths(tmp_path / str(number))
        Misbehaving.fault, Misbehaving.failing, Misbehaving.requests = fault, number, 0
        try:
            obtain(dataset(*names, mirrors=public), paths)
        except UserError:
            assert left_in(paths.raw("mnist")) == sorted(names[: number - 1])
        if Misbehaving.requests < number:
            break
        obtain(dataset(*names, mirrors=public), paths)
        folder = paths.raw("mnist")
        assert {(folder / name).read_bytes() for name in left_in(folder)} == {CONTENT}
        assert left_in(folder) == sorted(names)
    assert number == len(names) + 1


def test_a_port_without_a_server_is_reported(paths: Paths) -> None:
    with pytest.raises(UserError, match="Connection refused") as caught:
        obtain(dataset(mirrors=[NOBODY]), paths)
    for part in (str(paths.given("mnist")), NAME, "make demo", "data=digits"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


# --- files that are there ---

FORMS = {
    "train-labels-idx1-ubyte": CONTENT,
    "train-labels-idx1-ubyte.gz": PACKED,
    "train-labels.idx1-ubyte": CONTENT,
    "train-labels.idx1-ubyte.gz": gzip.compress(CONTENT, 1, mtime=7),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "place", ["data/given/mnist", "mirror", "mirror/mnist", "../shared/mnist", "cache"]
)
def test_a_file_of_any_form_is_found_in_any_place_and_left_as_it_is(
    place: str, form: str, paths: Paths, raw: Path
) -> None:
    path = put(paths.root / place / form, FORMS[form])
    before = path.stat().st_ino, path.stat().st_mtime_ns
    for _ in range(2):
        obtain(dataset(), paths, mirror=str(paths.root / "mirror"), cache=paths.root / "cache")
    assert (raw / NAME).read_bytes() == CONTENT
    assert path.read_bytes() == FORMS[form]
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    assert left_in(path.parent) == [form]
    assert left_in(raw) == [NAME]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("below", ["", "mnist/"])
def test_a_mirror_may_be_an_address(
    below: str, form: str, server: str, paths: Paths, raw: Path
) -> None:
    Misbehaving.tree = {f"/tree/{below}{form}": FORMS[form]}
    obtain(dataset(), paths, mirror=f"{server}/tree/")
    assert (raw / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("scheme", ["file://", "file://localhost", "FILE://"])
def test_a_mirror_may_be_an_address_of_a_folder(scheme: str, paths: Paths, raw: Path) -> None:
    put(paths.root / "Ordner für Übungen" / NAME, CONTENT)
    address = (paths.root / "Ordner für Übungen").as_uri().replace("file://", scheme)
    obtain(dataset(), paths, mirror=address)
    assert (raw / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("mirror", ["ftp://x", "s3://bucket", "http://[", "http://", "x://", "://"])
def test_an_invalid_mirror_is_reported(mirror: str, paths: Paths) -> None:
    with pytest.raises(UserError, match="could not be obtained") as caught:
        obtain(dataset(), paths, mirror=mirror)
    assert mirror.rstrip("/") in str(caught.value)


def test_places_are_tried_in_their_order(server: str, paths: Paths) -> None:
    with pytest.raises(UserError) as caught:
        obtain(dataset(mirrors=[NOBODY]), paths, mirror="mirror", cache=paths.root / "cache")
    root = paths.root
    wanted = ["data/given/mnist", "mirror/mnist", "mirror"]
    shown = [str(root / place) for place in wanted] + [
        str(root.parent / "shared" / "mnist"), str(root / "cache"), NOBODY
    ]  # fmt: skip
    told = str(caught.value).partition("Tried: ")[2].split("; ")
    assert [line.partition(": ")[0] for line in told] == shown


def test_files_that_are_there_need_no_network(paths: Paths, raw: Path) -> None:
    put(raw / NAME, CONTENT)
    obtain(dataset(mirrors=[NOBODY]), paths)


def test_a_damaged_file_is_fetched_again(server: str, paths: Paths, raw: Path) -> None:
    put(raw / NAME, CONTENT[:-1])
    obtain(dataset(mirrors=[f"{server}/good"]), paths)
    assert (raw / NAME).read_bytes() == CONTENT


def test_a_file_known_packed_stays_packed(paths: Paths, raw: Path) -> None:
    """Where only the packed file's hash is known, no other form of it is looked for."""
    wanted = dataclasses.replace(dataset(), files={f"{NAME}.gz": sha256(PACKED)})
    put(paths.given("mnist") / NAME, CONTENT)
    with pytest.raises(UserError, match=rf"Put {NAME}\.gz into .*: not there"):
        obtain(wanted, paths)
    put(paths.given("mnist") / "train-labels.idx1-ubyte.gz", PACKED)
    obtain(wanted, paths)
    assert (raw / f"{NAME}.gz").read_bytes() == PACKED


# --- files that are there and wrong ---

OTHER = b"something else"


def special(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(10 * 2**30)
    elif kind == "bomb":
        path.write_bytes(gzip.compress(bytes(2**24)) * 64)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "circle":
        path.symlink_to(path)


UNUSABLE = {
    "pipe": "not a regular file",
    "folder": "not a regular file",
    "huge": "10737418240 bytes; at most 134217728 are read",
    "bomb": "gives more than 134217728 bytes",
    "device": "not a regular file",
    "circle": "Too many levels of symbolic links",
}


@pytest.mark.parametrize(("kind", "reason"), UNUSABLE.items())
def test_what_cannot_be_read_is_told_and_the_next_place_is_used(
    kind: str, reason: str, paths: Paths, raw: Path
) -> None:
    special(paths.given("mnist") / NAME, kind)
    with pytest.raises(UserError, match=reason):
        obtain(dataset(), paths)
    put(paths.beside("mnist") / NAME, CONTENT)
    obtain(dataset(), paths)
    assert (raw / NAME).read_bytes() == CONTENT


def test_a_wrong_file_is_told_with_both_hashes_and_left_alone(
    server: str, paths: Paths, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(paths.given("mnist") / f"{NAME}.gz", gzip.compress(OTHER, mtime=0))
    wrong = f"{path}: SHA-256 expected {SHA}, got {sha256(OTHER)}"
    with pytest.raises(UserError, match=wrong):
        obtain(dataset(), paths)
    assert capsys.readouterr().err == ""
    obtain(dataset(mirrors=[f"{server}/good"]), paths)
    assert capsys.readouterr().err == f"warning: {wrong}; {server}/good has the right one\n"
    assert path.read_bytes() == gzip.compress(OTHER, mtime=0)


def test_beside_a_wrong_file_a_right_one_of_another_name_is_used(
    paths: Paths, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(paths.given("mnist") / NAME, OTHER)
    put(paths.given("mnist") / "train-labels.idx1-ubyte.gz", PACKED)
    obtain(dataset(), paths)
    assert (raw / NAME).read_bytes() == CONTENT
    assert capsys.readouterr().err.count("warning: ") == 1


# --- the cache folder ---


def test_a_download_is_kept_for_the_next_checkout(server: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "mnist"
    obtain(dataset(mirrors=[f"{server}/good"]), Paths(tmp_path / "1"), cache=cache)
    assert left_in(cache) == [NAME]
    obtain(dataset(mirrors=[NOBODY]), Paths(tmp_path / "2"), cache=cache)
    assert (Paths(tmp_path / "2").raw("mnist") / NAME).read_bytes() == CONTENT


def test_a_damaged_download_is_replaced(server: str, tmp_path: Path, paths: Paths) -> None:
    path = put(tmp_path / "cache" / NAME, OTHER)
    obtain(dataset(mirrors=[f"{server}/good"]), paths, cache=path.parent)
    assert path.read_bytes() == CONTENT


def test_only_what_came_from_a_public_mirror_is_kept(
    server: str, tmp_path: Path, paths: Paths
) -> None:
    put(paths.given("mnist") / NAME, CONTENT)
    obtain(dataset(mirrors=[f"{server}/good"]), paths, cache=tmp_path / "cache")
    shutil.rmtree(paths.root)
    obtain(dataset(), paths, cache=tmp_path / "cache", mirror=f"{server}/good")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("cache", ["/proc/nowhere", "/dev/null/x"])
def test_a_read_only_cache_is_not_used(cache: str, server: str, paths: Paths, raw: Path) -> None:
    obtain(dataset(mirrors=[f"{server}/good"]), paths, cache=Path(cache))
    assert (raw / NAME).read_bytes() == CONTENT


def test_a_cache_on_a_full_disk_is_not_used(
    server: str, tmp_path: Path, paths: Paths, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        if str(tmp_path / "cache") in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", fsync)
    obtain(dataset(mirrors=[f"{server}/good"]), paths, cache=tmp_path / "cache")
    assert (raw / NAME).read_bytes() == CONTENT
    assert left_in(tmp_path / "cache") == []


def test_the_cache_folder_follows_the_systems_convention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert sources.user_cache("kmnist") == tmp_path / "mnist-lecture" / "kmnist"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without a home")
def test_a_user_without_a_home_has_no_cache_folder() -> None:
    code = (
        "import os, sys; from pipeline.data.sources import user_cache; os.setuid(54321); "
        "sys.exit(user_cache('mnist') is not None)"
    )
    env = {"PATH": os.environ["PATH"]}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


# --- passwords ---


def with_password(address: str) -> str:
    return address.replace("http://", "http://alice:p%40ss%2Fword@")


def test_a_password_is_sent_to_its_server(
    server: str, paths: Paths, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    obtain(dataset(), paths, mirror=with_password(f"{server}/private"))
    assert (raw / NAME).read_bytes() == CONTENT
    assert "p%40ss" not in capsys.readouterr().err


@pytest.mark.parametrize("where", ["the same server", "another port", "another host"])
def test_a_password_is_sent_to_no_other_server(
    where: str, server: str, paths: Paths, raw: Path
) -> None:
    """Not where a redirect leads, unless that is the same server."""
    with serving() as other:
        address = {
            "the same server": server,
            "another port": other,
            "another host": server.replace("127.0.0.1", "localhost"),
        }[where]
        Misbehaving.target, Misbehaving.passwords = f"{address}/public/{NAME}", []
        obtain(dataset(), paths, mirror=with_password(f"{server}/away"))
    assert (raw / NAME).read_bytes() == CONTENT
    assert Misbehaving.passwords == [ALICE if where == "the same server" else None]


@pytest.mark.parametrize(
    "address",
    [
        "http://alice:secret@{}/private",
        "http://alice:secret@{}/circular",
        "http://alice:secret@{}/html",
        "http://secret@127.0.0.1:9/x",
        "http://alice:secret/x@{}/private",
        "http://alice:x#secret@{}/private",
        "http://alice:x secret@{}/private",
        "http://alice:secret@nowhere.invalid/",
        "s3://alice:secret@{}/private",
        "http://alice:secret@[{}/private",
    ],
)
def test_a_password_is_never_shown(
    address: str, server: str, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = address.format(server.removeprefix("http://"))
    with pytest.raises(UserError, match="could not be obtained") as caught:
        obtain(dataset(), paths, mirror=mirror)
    assert "secret" not in str(caught.value) + capsys.readouterr().err
    assert "://***@" in str(caught.value)

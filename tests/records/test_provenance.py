"""A provenance says exactly what ran, under any settings of git, and never fails."""

import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.base.git import apply, clone
from pipeline.records.provenance import LARGEST_DIFF, diff_bytes, made_by, provenance
from tests.conftest import hashes
from tests.hostile_git import by_user, commit_all, hostile, hostile_home, make_hostile, write

__all__ = ["hostile", "hostile_home"]  # fixtures

FILES = {
    "pipeline/a.py": b"x = 0\n\na = 1 /\n\n\n",
    "pipeline/sub/b.py": b"one\r\ntwo\r\n\r\n",
    "pipeline/empty.py": b"",
    "conf/c.yaml": "ü: σ".encode(),
    "conf/schön.yaml": b"latin: \xe9\n",
    "conf/picture": bytes(range(256)),
    "dvc.yaml": b"stages:\n",
    ".gitignore": b"__pycache__/\n",
}


def fresh(root: Path) -> dict[str, Any]:
    """Return the provenance as a record keeps it: having been JSON."""
    provenance.cache_clear()
    known: dict[str, Any] = json.loads(json.dumps(provenance(root), allow_nan=False).encode())
    return known


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return kind, permission to run, and content of every file of the code, by its name."""
    found = {}
    for path in [root / "dvc.yaml", *(root / "pipeline").rglob("*"), *(root / "conf").rglob("*")]:
        if path.is_symlink():
            found[str(path.relative_to(root))] = 2, os.fsencode(os.readlink(path))
        elif path.is_file() and "__pycache__" not in path.parts:
            can_run = int(bool(path.stat().st_mode & stat.S_IXUSR))
            found[str(path.relative_to(root))] = can_run, path.read_bytes()
    return found


def made_again(root: Path, folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the code's files as a fresh clone with the recorded changes has them."""
    known = fresh(root)
    assert known["git"] is None
    assert known["masked"] is False
    assert known["dirty"] is bool(known["changed"]) is bool(known["diff"])
    clone(root, folder, known["commit"])
    apply(folder, diff_bytes(known))
    return tree(folder)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout to copy and to change."""
    root = tmp_path_factory.mktemp("committed")
    by_user(root, "init", "--quiet", "--initial-branch=main")
    write(root, FILES)
    commit_all(root)
    return root


@pytest.fixture
def root(committed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(committed, tmp_path / "root"))


# --- the diff gives back what ran --------------------------------------------------------------

LINES = [
    b"", b" ", b"\t", b"a = 1", b"a = 2 ", "σ = 'ü'".encode(), b"\xe9\xff", b"\0", b"\x1b[2J", b"+",
    b"-- x", b"++ b/x", b"@@ -1 +1 @@", b"diff --git a/x b/x", b"GIT binary patch", b"$Id$",
    b"\\ No newline at end of file", b"From x", b"---", b"rename from x", "\ufeff".encode(),
]  # fmt: skip
TEXTS = st.lists(
    st.tuples(st.sampled_from(LINES), st.sampled_from([b"\n", b"\r\n", b"\r", b""])), max_size=12
).map(lambda lines: b"".join(line + end for line, end in lines))
CONTENTS = st.one_of(TEXTS, st.binary(max_size=300))
OLD = [name for name in FILES if not name.startswith(".")]
NEW = [
    "pipeline/new.py", "pipeline/neu ü.py", 'pipeline/"a\\b".py', "pipeline/a\tb", "pipeline/a\nb",
    "pipeline/:(exclude)a.py", "conf/*.yaml", "pipeline/-x.py", "conf/deep/er/x.yaml",
    "pipeline/ a ", os.fsdecode(b"pipeline/\xff.py"), "pipeline/.hidden", "conf/a => b",
]  # fmt: skip
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([*OLD, *NEW]), CONTENTS),
        st.tuples(st.just("append"), st.sampled_from(OLD), CONTENTS),
        st.tuples(st.just("delete"), st.sampled_from(OLD), st.just(b"")),
        st.tuples(st.just("rename"), st.sampled_from(OLD), st.sampled_from(NEW).map(os.fsencode)),
        st.tuples(st.just("may run"), st.sampled_from(OLD), st.just(b"")),
        st.tuples(
            st.just("link"), st.sampled_from([*OLD, *NEW]), st.sampled_from([b"a.py", b"/x"])
        ),
        st.tuples(st.just("stage"), st.just(""), st.just(b"")),
    ),
    max_size=6,
)


def change(root: Path, how: str, name: str, value: bytes) -> None:
    path = root / name
    there = path.is_symlink() or path.exists()
    if how == "stage":
        by_user(root, "add", "--all")
    elif how == "write":
        path.unlink(missing_ok=True)
        write(root, {name: value})
    elif how == "append" and not path.is_symlink():  # which may lead to itself, or elsewhere
        write(root, {name: (path.read_bytes() if path.is_file() else b"") + value})
    elif how == "delete":
        path.unlink(missing_ok=True)
    elif how == "rename" and there:
        target = root / os.fsdecode(value)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    elif how == "may run" and path.is_file() and not path.is_symlink():
        path.chmod(0o755)
    elif how == "link":
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.fsdecode(value))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(changes=CHANGES)
def test_commit_and_diff_give_every_file_of_the_code_back_byte_for_byte(
    committed: Path, changes: list[tuple[str, str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(committed, Path(folder, "root"), symlinks=True))
        for how, name, value in changes:
            change(root, how, name, value)
        assert made_again(root, Path(folder, "again")) == tree(root)


def test_a_change_before_blank_lines_can_be_applied(root: Path, tmp_path: Path) -> None:
    write(root, {"pipeline/a.py": b"x = 0\n\na = 0.5 /\n\n\n"})
    assert made_again(root, tmp_path / "again") == tree(root)


def test_hostile_settings_change_nothing(
    root: Path, tmp_path: Path, hostile: str, request: pytest.FixtureRequest
) -> None:
    """Of the user, of the environment, and of the checkout itself."""
    write(root, {name: content + b"\xe9\r\n\n" for name, content in FILES.items()})
    write(root, {"pipeline/new.py": b"new\n"})
    by_user(root, "add", "conf/c.yaml")
    before = fresh(root)
    assert set(before["changed"]) == {*FILES, "pipeline/new.py"} - {".gitignore"}
    sprung = request.getfixturevalue("hostile_home")
    assert fresh(root) == before
    make_hostile(root, hostile, sprung)
    assert fresh(root) == before
    assert made_again(root, tmp_path / "again") == tree(root)
    assert not sprung.exists()


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_the_index_hides_is_seen(root: Path, flag: str) -> None:
    by_user(root, "update-index", flag, "pipeline/a.py")
    write(root, {"pipeline/a.py": b"hidden\n"})
    assert fresh(root)["changed"] == ["pipeline/a.py"]


def test_a_checkout_with_other_line_ends_has_changed(root: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    by_user(tmp_path, "-c", "core.autocrlf=true", "clone", "--quiet", str(root), str(there))
    assert "pipeline/a.py" in fresh(there)["changed"]
    assert made_again(there, tmp_path / "again") == tree(there)


def test_the_user_s_index_and_objects_stay_as_they_are(root: Path) -> None:
    write(root, {"pipeline/new.py": b"new\n", "pipeline/a.py": b"staged\n"})
    by_user(root, "add", "pipeline/a.py")
    before = hashes(root / ".git")
    assert fresh(root)["changed"] == ["pipeline/a.py", "pipeline/new.py"]
    assert hashes(root / ".git") == before


def test_what_decides_no_result_is_no_change(root: Path) -> None:
    write(root, {"README.md": b"x", "params.yaml": b"x", "pipeline/__pycache__/a.pyc": b"x"})
    known = fresh(root)
    assert (known["dirty"], known["changed"], known["diff"]) == (False, [], "")


def test_a_checkout_without_any_code_is_clean(root: Path) -> None:
    by_user(root, "rm", "--quiet", "-r", "pipeline", "conf", "dvc.yaml")
    commit_all(root)
    assert fresh(root)["dirty"] is False


def test_permissions_that_the_file_system_cannot_hold_are_no_change(root: Path) -> None:
    by_user(root, "config", "core.fileMode", "false")
    (root / "pipeline/a.py").chmod(0o755)
    assert fresh(root)["dirty"] is False


def test_in_a_linked_worktree_its_own_files_count(root: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    by_user(root, "worktree", "add", "--quiet", "--detach", str(linked))
    write(root, {"pipeline/a.py": b"elsewhere\n"})
    assert fresh(linked)["dirty"] is False
    write(linked, {"pipeline/new.py": b"here\n"})
    assert made_again(linked, tmp_path / "again") == tree(linked)


# --- what cannot be kept -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("pipeline/a.py", 2**25), ("conf/new", 2**33)])
def test_a_large_diff_is_not_kept_but_its_files_are_named(root: Path, name: str, size: int) -> None:
    with (root / name).open("wb") as file:
        file.truncate(size)
    known = fresh(root)
    assert (known["dirty"], known["changed"], known["diff"]) == (True, [name], None)
    (root / name).write_bytes(b"x = 1\n" * (LARGEST_DIFF // 6))
    known = fresh(root)
    assert (known["dirty"], known["changed"], known["diff"]) == (True, [name], None)
    assert diff_bytes(known) == b""


@pytest.mark.parametrize("with_commit", [True, False])
def test_a_repository_inside_the_code_is_named_and_not_kept(root: Path, with_commit: bool) -> None:
    inside = root / "pipeline/inside"
    inside.mkdir()
    by_user(inside, "init", "--quiet")
    write(inside, {"x.py": b"x"})
    if with_commit:
        commit_all(inside)
    known = fresh(root)
    assert (known["dirty"], known["changed"]) == (True, ["pipeline/inside/"])
    assert known["diff"] is None


def test_a_socket_in_the_code_s_folder_fails_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "pipeline")
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert fresh(root)["dirty"] is False


def test_a_password_is_masked_and_that_is_said(root: Path) -> None:
    write(root, {"conf/c.yaml": b"uri: http://bob:secret@host\n"})
    known = fresh(root)
    assert known["masked"] is True
    assert "secret" not in json.dumps(known)
    assert "+uri: http://***@host" in known["diff"]


def test_a_diff_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(UserError, match="allowed is the text of a diff"):
        diff_bytes({"diff": "\ud800"})


# --- what cannot be known ----------------------------------------------------------------------


@pytest.fixture
def unknown(root: Path) -> Iterator[None]:
    """Check that of git's answers only the reason is known, and that the page shows it."""
    yield
    known = fresh(root)
    assert known["git"].isprintable()
    assert (known["commit"], known["dirty"], known["changed"]) == (None, None, None)
    assert (known["diff"], known["masked"]) == (None, None)
    assert made_by(root)[0] == ("commit", f"unknown: {known['git']}")


@pytest.mark.usefixtures("unknown")
def test_a_folder_without_git_has_a_reason(root: Path) -> None:
    shutil.rmtree(root / ".git")


@pytest.mark.usefixtures("unknown")
def test_a_folder_in_someone_else_s_repository_has_a_reason(root: Path) -> None:
    (root / ".git").rename(root.parent / ".git")
    assert by_user(root, "rev-parse", "HEAD")


@pytest.mark.usefixtures("unknown")
def test_damage_to_git_s_files_has_a_reason(root: Path) -> None:
    (root / ".git/HEAD").write_bytes(b"\xff\0\x1b[2J")


@pytest.mark.usefixtures("unknown")
def test_a_broken_configuration_has_a_reason(root: Path) -> None:
    (root / ".git/config").write_bytes(b"[core\n")


def test_a_folder_s_odd_name_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff\x1b[2J\n")
    folder.mkdir()
    assert fresh(folder)["git"].isprintable()


def test_no_git_on_the_path_has_a_reason(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    assert fresh(root)["git"] == "git is not on PATH"
    assert made_by(root)[0] == ("commit", "unknown: git is not on PATH")


def test_where_only_the_changes_are_unknown_the_commit_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(root / "missing"))
    known = fresh(root)
    assert known["commit"] == by_user(root, "rev-parse", "HEAD")
    assert known["dirty"] is None
    assert "missing" in known["git"]
    assert made_by(root)[0][1].startswith(f"{known['commit']} (uncommitted changes unknown: ")


def test_a_lock_file_that_cannot_be_read_fails_nothing(root: Path) -> None:
    (root / "requirements.lock").mkdir()
    assert fresh(root)["lock"] is None


def test_the_page_says_what_ran(root: Path) -> None:
    known = fresh(root)
    assert made_by(root) == [
        ("commit", known["commit"]),
        ("lock file, SHA-256", "there is none"),
    ]
    write(root, {"pipeline/new.py": b"x"})
    fresh(root)
    assert made_by(root)[0] == ("commit", f"{known['commit']} with uncommitted changes")

"""Git gives the same answers under any settings, environment variables and hooks."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline.base.git
from pipeline.base.git import GitError, apply, clone, environment, git, head, reachable
from pipeline.base.paths import find_root
from tests.hostile_git import by_user, commit_all, hostile, hostile_home, make_hostile, write

__all__ = ["hostile", "hostile_home"]  # fixtures

NOBODY = 65534
CRLF = b"a = 1\r\nb = 2\r\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with one commit, in a folder with an awkward name."""
    folder = tmp_path / "ein Ordner für Übungen"
    folder.mkdir()
    by_user(folder, "init", "--quiet", "--initial-branch=main")
    write(folder, {"pipeline/a.py": b"a = 1\n\n\n", "pipeline/crlf.py": CRLF})
    commit_all(folder)
    return folder


@pytest.fixture
def hostile_checkout(checkout: Path, hostile: str, hostile_home: Path) -> Path:
    """Return a checkout whose own settings are hostile as well as its user's."""
    make_hostile(checkout, hostile, hostile_home)
    return checkout


# --- running git -------------------------------------------------------------------------------


def test_output_is_bytes_with_nothing_stripped(checkout: Path) -> None:
    assert git(checkout, "cat-file", "blob", "HEAD:pipeline/crlf.py") == CRLF
    assert git(checkout, "cat-file", "blob", "HEAD:pipeline/a.py") == b"a = 1\n\n\n"


def test_the_environment_for_children_has_no_variable_of_git(hostile_home: Path) -> None:
    assert not [name for name in environment() if name.startswith("GIT_")]
    assert environment()["HOME"] == os.environ["HOME"]


def test_the_hostile_settings_of_these_tests_have_an_effect(
    hostile_checkout: Path, hostile_home: Path
) -> None:
    write(hostile_checkout, {"pipeline/a.py": b"changed\n"})
    subprocess.run(["git", "diff"], cwd=hostile_checkout, env=environment(), check=False)
    assert hostile_home.exists()


def test_a_checkout_s_own_monitor_and_signature_program_do_not_run(
    checkout: Path, tmp_path: Path
) -> None:
    content = by_user(checkout, "cat-file", "commit", "HEAD")
    headers, _, message = content.partition("\n\n")
    begin, end = (f"-----{word} PGP SIGNATURE-----" for word in ("BEGIN", "END"))
    signed = f"{headers}\ngpgsig {begin}\n \n x\n {end}\n\n{message}\n"
    write(tmp_path, {"signed": signed.encode()})
    words = ("hash-object", "-t", "commit", "-w", str(tmp_path / "signed"))
    by_user(checkout, "update-ref", "HEAD", by_user(checkout, *words))
    program = tmp_path / "program"
    write(tmp_path, {"program": f"#!/bin/sh\ntouch {tmp_path}/sprung\n".encode()})
    program.chmod(0o755)
    for name, value in {
        "log.showSignature": "true", "gpg.program": str(program), "core.fsmonitor": str(program)
    }.items():  # fmt: skip
        by_user(checkout, "config", name, value)
    assert head(checkout) == by_user(checkout, "rev-parse", "HEAD")
    assert git(checkout, "status", "--porcelain") == b""
    assert not (tmp_path / "sprung").exists()


def test_a_hook_s_variables_do_not_lead_elsewhere(checkout: Path, hostile_home: Path) -> None:
    assert head(checkout) == by_user(checkout, "rev-parse", "HEAD")
    assert not hostile_home.exists()


def reason(folder: Path) -> str:
    with pytest.raises(GitError) as raised:
        head(folder)
    text = str(raised.value)
    assert text.isprintable()
    return text


def test_a_folder_inside_someone_else_s_repository_is_no_checkout(checkout: Path) -> None:
    assert reason(checkout / "pipeline") == f"{checkout / 'pipeline'} is not a git checkout"
    (checkout / "pipeline/.git").mkdir()
    assert "not a git repository" in reason(checkout / "pipeline")


def test_a_branch_without_a_commit_is_the_reason(tmp_path: Path, hostile_home: Path) -> None:
    by_user(tmp_path, "init", "--quiet", "--initial-branch=main")
    assert reason(tmp_path) == "fatal: your current branch 'main' does not have any commits yet"
    assert not reachable(tmp_path, "0" * 40)


def test_no_git_on_the_path_is_the_reason(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert reason(checkout) == "git is not on PATH"


def test_a_git_that_may_not_be_run_is_the_reason(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(checkout, {"git": b"no program"})
    (checkout / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(checkout))
    assert reason(checkout) == "git could not be started: Exec format error"


def test_a_git_that_hangs_is_given_up(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(checkout, {"git": b"#!/bin/sh\nexec /bin/sleep 60\n"})
    (checkout / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(checkout))
    monkeypatch.setattr(pipeline.base.git, "TIMEOUT", 0.2)
    assert reason(checkout) == "git log took longer than 0.2 s"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_foreign_checkout_is_read_if_the_user_says_that_it_is_safe(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    commit = head(checkout)
    for path in [checkout, *checkout.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    assert "detected dubious ownership" in reason(checkout)
    assert "git config --global --add safe.directory" in reason(checkout)
    write(tmp_path, {".gitconfig": f'[safe]\n    directory = "{checkout}"\n'.encode()})
    assert head(checkout) == commit
    clone(checkout, tmp_path / "clone", commit)
    assert (tmp_path / "clone/pipeline/crlf.py").read_bytes() == CRLF


def test_control_characters_and_passwords_in_a_reason_are_not_shown(checkout: Path) -> None:
    with pytest.raises(GitError) as raised:
        git(checkout, "cat-file", "blob", "\x1b[2J\x07http://bob:secret@host")
    assert str(raised.value).isprintable()
    assert "secret" not in str(raised.value)


# --- which commits are the user's own ----------------------------------------------------------


def test_a_commit_of_a_branch_or_a_tag_is_reachable(checkout: Path) -> None:
    first = head(checkout)
    by_user(checkout, "checkout", "--quiet", "-b", "other")
    second = commit_all(checkout)
    by_user(checkout, "tag", "--annotate", "--message=m", "kept")
    by_user(checkout, "checkout", "--quiet", "main")
    by_user(checkout, "branch", "--quiet", "-D", "other")
    assert reachable(checkout, first)
    assert reachable(checkout, second)


def test_what_is_checked_out_without_a_branch_is_reachable(checkout: Path) -> None:
    """As continuous integration does it."""
    by_user(checkout, "checkout", "--quiet", "--detach")
    by_user(checkout, "branch", "--quiet", "-D", "main")
    assert reachable(checkout, head(checkout))


def dangling(checkout: Path) -> str:
    commit = commit_all(checkout)
    by_user(checkout, "reset", "--quiet", "--hard", "HEAD^")
    return commit


def stash(checkout: Path) -> str:
    write(checkout, {"pipeline/a.py": b"stashed\n"})
    by_user(checkout, "stash")
    return by_user(checkout, "rev-parse", "refs/stash")


def of_a_remote(checkout: Path) -> str:
    commit = commit_all(checkout)
    by_user(checkout, "update-ref", "refs/remotes/origin/main", commit)
    by_user(checkout, "reset", "--quiet", "--hard", "HEAD^")
    return commit


def tag_object(checkout: Path) -> str:
    by_user(checkout, "tag", "--annotate", "--message=m", "kept")
    return by_user(checkout, "rev-parse", "refs/tags/kept")


def replaced(checkout: Path) -> str:
    """Return a commit that takes the place of HEAD by a replacement that git would follow."""
    commit = dangling(checkout)
    by_user(
        checkout,
        "replace",
        "HEAD",
        by_user(checkout, "commit-tree", "-p", commit, "-m", "x", "HEAD^{tree}"),
    )
    return commit


@pytest.mark.parametrize("make", [dangling, stash, of_a_remote, tag_object, replaced])
def test_another_commit_is_not_reachable(checkout: Path, make: Callable[[Path], str]) -> None:
    assert not reachable(checkout, make(checkout))


@pytest.mark.parametrize(
    "word", ["", "main", "HEAD", "--upload-pack=x", "--output=x", "refs/heads/main", "\ud800", "\0"]
)
def test_what_is_no_full_hash_is_neither_reachable_nor_cloned(
    checkout: Path, tmp_path: Path, word: str
) -> None:
    for commit in (word, head(checkout)[:10], head(checkout).upper(), f"{head(checkout)}\n"):
        assert not reachable(checkout, commit)
        with pytest.raises(GitError, match="is not the full hash of a commit"):
            clone(checkout, tmp_path / "clone", commit)
    assert not (tmp_path / "clone").exists()


# --- clones ------------------------------------------------------------------------------------


def test_a_clone_has_the_committed_bytes_under_hostile_settings(
    hostile_checkout: Path, hostile_home: Path, tmp_path: Path
) -> None:
    target = tmp_path / "clone"
    clone(hostile_checkout, target, head(hostile_checkout))
    apply(
        target,
        b"--- a/pipeline/a.py\n+++ b/pipeline/a.py\n@@ -1,3 +1,3 @@\n-a = 1\n+a = 2 \n \n \n",
    )
    assert (target / "pipeline/crlf.py").read_bytes() == CRLF
    assert (target / "pipeline/a.py").read_bytes() == b"a = 2 \n\n\n"
    assert head(target) == head(hostile_checkout)
    assert reachable(hostile_checkout, head(target))
    assert not hostile_home.exists()


def test_attributes_that_are_committed_change_no_byte_of_a_clone(
    checkout: Path, tmp_path: Path
) -> None:
    write(checkout, {".gitattributes": b"*.py text eol=crlf ident working-tree-encoding=UTF-16\n"})
    by_user(checkout, "add", ".gitattributes")
    by_user(checkout, "commit", "--quiet", "--message=attributes")
    clone(checkout, tmp_path / "clone", head(checkout))
    assert (tmp_path / "clone/pipeline/a.py").read_bytes() == b"a = 1\n\n\n"


def test_a_shallow_checkout_can_be_cloned(checkout: Path, tmp_path: Path) -> None:
    commit_all(checkout, "second")
    by_user(tmp_path, "clone", "--quiet", "--depth=1", f"file://{checkout}", "shallow")
    clone(tmp_path / "shallow", tmp_path / "clone", head(checkout))
    assert by_user(tmp_path / "clone", "log", "--format=%s") == "second"


def test_a_checkout_with_sha256_can_be_cloned(tmp_path: Path) -> None:
    by_user(tmp_path, "init", "--quiet", "--object-format=sha256", "here")
    write(tmp_path / "here", {"a.py": CRLF})
    commit = commit_all(tmp_path / "here")
    assert reachable(tmp_path / "here", commit)
    clone(tmp_path / "here", tmp_path / "clone", commit)
    assert (tmp_path / "clone/a.py").read_bytes() == CRLF


def test_a_commit_that_git_does_not_have_is_the_reason(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="0{40}"):
        clone(checkout, tmp_path / "clone", "0" * 40)


@pytest.mark.parametrize(
    "patch",
    [
        b"no patch\n",
        b"--- a/pipeline/a.py\n+++ b/pipeline/a.py\n@@ -1 +1 @@\n-another line\n+b\n",
        b"--- /dev/null\n+++ b/../outside\n@@ -0,0 +1 @@\n+x\n",
        b"--- /dev/null\n+++ b/.git/hooks/post-checkout\n@@ -0,0 +1 @@\n+x\n",
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(
    checkout: Path, tmp_path: Path, patch: bytes
) -> None:
    target = tmp_path / "clone"
    clone(checkout, target, head(checkout))
    with pytest.raises(GitError):
        apply(target, patch)
    assert git(target, "status", "--porcelain") == b""
    assert not (tmp_path / "outside").exists()
    assert not (target / ".git/hooks").exists()


HOOK = """
import json, sys
from pathlib import Path
from pipeline.base.git import apply, clone, head
from pipeline.records.provenance import diff_bytes, provenance

here, target = Path.cwd(), Path(sys.argv[1])
known = provenance(here)
clone(here, target, head(here))
apply(target, diff_bytes(known))
target.with_suffix(".json").write_text(json.dumps(known))
"""


@pytest.mark.parametrize("hook", ["pre-push", "pre-commit"])
@pytest.mark.parametrize("linked", [True, False])
def test_from_a_hook_the_caller_s_branch_and_index_stay_as_they_are(
    checkout: Path, tmp_path: Path, hook: str, linked: bool
) -> None:
    by_user(tmp_path, "init", "--quiet", "--bare", "remote")
    where = checkout
    if linked:
        where = tmp_path / "linked"
        by_user(checkout, "worktree", "add", "--quiet", "-b", "other", str(where))
    target = tmp_path / "clone"
    script = f'#!/bin/sh\nexec "{sys.executable}" -c "$CODE" "{target}" >&2\n'
    write(checkout, {f".git/hooks/{hook}": script.encode()})
    (checkout / ".git/hooks" / hook).chmod(0o755)
    before = head(where), by_user(where, "symbolic-ref", "HEAD")
    write(where, {"pipeline/a.py": b"changed\n", "pipeline/new.py": b"new\n"})
    by_user(where, "add", "pipeline/new.py")
    variables = {"CODE": HOOK, "PYTHONPATH": str(find_root())}
    if hook == "pre-push":
        by_user(where, "push", "--quiet", str(tmp_path / "remote"), "HEAD:main", **variables)
        assert (head(where), by_user(where, "symbolic-ref", "HEAD")) == before
        assert by_user(where, "diff", "--cached", "--name-only") == "pipeline/new.py"
    else:
        by_user(where, "commit", "--quiet", "--all", "--message=hook", **variables)
        assert by_user(where, "rev-parse", "HEAD^") == before[0]
        assert by_user(where, "symbolic-ref", "HEAD") == before[1]
        assert by_user(where, "status", "--porcelain") == ""
    known = json.loads(target.with_suffix(".json").read_text())
    assert (known["commit"], known["changed"]) == (before[0], ["pipeline/a.py", "pipeline/new.py"])
    assert head(target) == before[0]
    assert (target / "pipeline/new.py").read_bytes() == b"new\n"


# --- this repository ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [["core.autocrlf=true"], ["core.eol=crlf", "core.autocrlf=input"]]
)
def test_every_checkout_of_this_repository_has_the_same_bytes(
    tmp_path: Path, settings: list[str]
) -> None:
    root = find_root()
    try:
        listed = git(root, "ls-files", "-z").decode().split("\0")
    except GitError as error:
        pytest.skip(str(error))
    files = {name: (root / name).read_bytes() for name in listed if name and (root / name).exists()}
    write(tmp_path / "here", files)
    words = [word for setting in settings for word in ("-c", setting)]
    by_user(tmp_path, "init", "--quiet", "here")
    by_user(tmp_path / "here", *words, "add", "--all", "--force")
    by_user(tmp_path / "here", *words, "commit", "--quiet", "--message=all")
    by_user(tmp_path, *words, "clone", "--quiet", "here", "there")
    assert [name for name in files if (tmp_path / "there" / name).read_bytes() != files[name]] == []

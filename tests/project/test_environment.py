"""The environment is locked, and the lock can be used anywhere."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.base.paths import find_root
from tests.pythons import promised

ROOT = find_root()
LOCKS = ("requirements.lock", "requirements-launchers.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked(lock: str) -> list[tuple[Requirement, str]]:
    """Return each requirement of a lock file and the lines that belong to it."""
    text = (ROOT / lock).read_text()
    blocks = re.findall(r"^(\S[^\\\n]*?) *\\\n((?: +--hash=\S+(?: *\\)?\n?)+)", text, re.MULTILINE)
    return [(Requirement(head), hashes) for head, hashes in blocks]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_index_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    for word in ("://", "--index", "--extra-index", "--find-links", "file:", " @ "):
        assert word not in text


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_one_version_and_hashes(lock: str) -> None:
    """One on every Python, so that results can be the same on every Python."""
    requirements = locked(lock)
    heads = re.findall(r"^[A-Za-z]", (ROOT / lock).read_text(), re.MULTILINE)
    assert len({requirement.name for requirement, _ in requirements}) == len(heads)
    for requirement, hashes in requirements:
        assert re.fullmatch(r"==[^*]+", str(requirement.specifier)), requirement
        assert re.search(r"sha256:[0-9a-f]{64}", hashes)


def test_both_locks_give_the_same_versions() -> None:
    versions = [{r.name: str(r.specifier) for r, _ in locked(lock)} for lock in LOCKS]
    assert versions[0].items() <= versions[1].items()


def test_the_promised_pythons_are_the_same_everywhere() -> None:
    makefile = (ROOT / "Makefile").read_text()
    accepted = re.search(r"^PYTHONS := (.*)$", makefile, re.MULTILINE)
    assert accepted is not None
    assert accepted.group(1).split() == promised(ROOT)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["run"]["strategy"]["matrix"]["python"] == promised(ROOT)
    assert f"Python {promised(ROOT)[0]} to {promised(ROOT)[-1]}" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "declared", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
)
def test_every_declared_package_is_locked_within_its_range(declared: str) -> None:
    wanted = Requirement(declared)
    versions = [
        str(found.specifier).removeprefix("==")
        for found, _ in locked(LOCKS[0])
        if canonicalize_name(found.name) == canonicalize_name(wanted.name)
    ]
    assert versions
    assert all(wanted.specifier.contains(version, prereleases=True) for version in versions)


def test_dvc_sends_nothing_home() -> None:
    assert "analytics = false" in (ROOT / ".dvc" / "config").read_text()


def test_make_help_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    told = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in phony.group(1).split():
        assert re.search(rf"^  make {target} +\S", told, re.MULTILINE), target


def files_of_the_project() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("a checkout without git cannot say which files are the project's")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_no_file_names_a_place_on_one_machine() -> None:
    words = [f"/{name}/" for name in ("root", "work", "home/[a-z]+")]
    pattern = re.compile("|".join(words))
    for path in files_of_the_project():
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".cff", ".lock", ""}:
            found = pattern.search(path.read_text(errors="ignore"))
            assert found is None, f"{path}: {found and found.group(0)}"

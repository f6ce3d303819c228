"""The files of a share that cannot be computed: runs, parameters, lock files, code, licence.

Convention: a share is laid out as a checkout is, with the code in `code/`. It names no host, no
user and no time but the commit's, so everyone who reproduces a result writes the same share.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from pipeline.base.command import params_bytes
from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.files import content_of
from pipeline.base.git import GitError, clone, commit_date, head
from pipeline.base.paths import Paths
from pipeline.records.provenance import diff_bytes, provenance
from pipeline.records.record import PUBLISHED

# Taken from the commit, without tests and documents.
CODE = (".dvc/config", ".dvcignore", "Makefile", "README.md", "dvc.yaml", "pyproject.toml")
FOLDERS = ("conf", "pipeline")
CITATION, LOCK, PARAMS, CHANGES = "CITATION.cff", "dvc.lock", "params.yaml", "changes.patch"
FILES = (CITATION, "LICENSE", LOCK, PARAMS, "requirements.lock")
FAILED = ("description.json", "failure.json")
RUNS = re.compile(rf"runs/seed-\d+/({'|'.join({*PUBLISHED, *FAILED})})")
# No hidden file in a folder, since git obeys some; no name without an extension, since files with
# such names can turn a folder into a repository.
SOURCES = re.compile(
    rf"code/({'|'.join(map(re.escape, CODE))}"
    rf"|({'|'.join(FOLDERS)})/(\w[\w+-]*/)*\w[\w+-]*(\.\w+)+)",
    re.ASCII,
)


class Commit(NamedTuple):
    """The commit of the code: its full hash, and its date in ISO 8601."""

    hash: str
    date: str


def given(paths: Paths) -> tuple[dict[str, bytes], Commit]:
    """Return the files that cannot be computed, of the experiment in `params.yaml`.

    Raises:
        UserError: a file is missing, or there is no commit.
    """
    made_with = provenance(paths.root)
    if made_with["dirty"] and (made_with["diff"] is None or made_with["masked"]):
        raise UserError(
            "the uncommitted changes are too large to be shared, or hold a password; commit them "
            "first"
        )
    try:
        commit = Commit(head(paths.root), commit_date(paths.root))
        with tempfile.TemporaryDirectory() as folder:
            clone(paths.root, Path(folder), commit.hash)
            for name in (*CODE, *FOLDERS):
                if not (Path(folder) / name).exists():
                    raise UserError(f"{name} is not in commit {commit.hash}; commit all code first")
            code = files_below(Path(folder), *CODE, *FOLDERS)
            links = [name for name in code if (Path(folder) / name).is_symlink()]
    except GitError as error:
        raise UserError(f"a share needs the commit of its code: {error}") from None
    runs = files_below(paths.root, paths.runs.name)
    files = {name: content for name, content in runs.items() if RUNS.fullmatch(name)}
    files |= {f"code/{name}": content for name, content in code.items()}
    files |= files_below(paths.root, *FILES)
    files[PARAMS] = params_bytes(compose(paths))
    if made_with["diff"]:
        files[CHANGES] = diff_bytes(made_with)
    for name in files:
        if name.removeprefix("code/") in links or not is_given(name):
            raise UserError(
                f"{name} cannot be shared: allowed are files in pipeline/ and conf/ that are no "
                "links and have names such as model.py"
            )
    return files, commit


def is_given(name: str) -> bool:
    """Tell whether a share may hold this file as a given one."""
    return name in (*FILES, CHANGES) or bool(SOURCES.fullmatch(name) or RUNS.fullmatch(name))


def holds(path: Path, content: bytes) -> bool:
    """Tell whether there is a file with this content."""
    return path.is_file() and path.read_bytes() == content


def files_below(root: Path, *names: str) -> dict[str, bytes]:
    """Return the content of files, and of all files in folders, by their path below `root`.

    Raises:
        UserError: one is missing, or cannot be read.
    """
    contents = {}
    for path in (root / name for name in names):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_dir():
                contents[file.relative_to(root).as_posix()] = content_of(file)
    return contents

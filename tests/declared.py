"""The committed experiment and pages: whoever runs the tests may have edited theirs."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipeline.base.config import compose
from pipeline.base.errors import UserError
from pipeline.base.git import GitError, git
from pipeline.base.paths import Paths, find_root
from pipeline.base.processes import CODE


def committed(path: Path) -> str:
    """Return the text of a file of this checkout as it was committed; without git, as it is."""
    root = find_root()
    try:
        return git(root, "show", f"HEAD:./{path.relative_to(root)}").decode()
    except GitError:
        return path.read_text()


def versions(path: Path) -> Iterator[str]:
    """Yield the text of a file as it was committed, then as it is."""
    yield committed(path)
    yield path.read_text()


@cache
def declared() -> Paths:
    """Return a checkout with this one's code and the committed `params.yaml`.

    While a key is being added or removed, the code fits this checkout's `params.yaml` alone, and
    that is taken.
    """
    root, folder = find_root(), Path(tempfile.mkdtemp(prefix="declared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in CODE:
        (folder / name).symlink_to(root / name)
    paths = Paths(folder)
    paths.params.write_text(committed(Paths(root).params))
    try:
        compose(paths)
    except UserError:
        shutil.copyfile(Paths(root).params, paths.params)
    return paths

"""Running a stage or DVC in another checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import UserError


def python(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> None:
    """Run `python -m` with `words` in `folder`, by this very Python.

    Raises:
        UserError: it failed; it has told why.
    """
    # Stages say `python`, which has to be this one, also where nobody activated anything.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PATH": path, **(env or {})},
        check=False,
    )
    if done.returncode:
        raise UserError(f"`python -m {' '.join(words)}` failed in {folder}; see above")

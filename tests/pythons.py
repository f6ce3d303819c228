"""`make test-pythons`: each promised Python, from a clean clone to the same results.

For each Python that this machine has: clones the commit that is checked out, builds the
environment from the lock, runs `make demo` and `make test` there, and compares what the demo
computed with what the first Python computed, byte for byte. A Python that this machine does not
have is named and fails nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

from pipeline.base.files import sha256
from pipeline.base.paths import Paths, find_root

# What a calling make hands on is about itself: PYTHON=... about its own environment, and by its
# level another make names its folder in what it prints.
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
# A setting that works around a fault of OpenBLAS on this machine would hide the fault.
HIDDEN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", *OF_MAKE)


def promised(root: Path) -> list[str]:
    """Return the Python versions that `requires-python` allows, such as "3.11"."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    allowed = SpecifierSet(project["requires-python"])
    return [f"3.{minor}" for minor in range(100) if allowed.contains(f"3.{minor}")]


def interpreter(version: str) -> str | None:
    """Return a Python of that version, from pyenv's folder or the PATH; None if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [*map(str, sorted(pyenv.glob(f"{version}.*/bin"))), *os.get_exec_path()]
    for folder in folders:
        found = shutil.which(f"python{version}", path=folder)
        # pyenv puts scripts on the PATH that fail for versions that are not chosen.
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    return None


def results(paths: Paths) -> dict[str, str]:
    """Return the SHA-256 of every file in `runs/` and `results/`, by path."""
    return {
        str(path.relative_to(paths.root)): sha256(path.read_bytes())
        for folder in (paths.runs, paths.results)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(python: str, root: Path, clone: Path, targets: list[str]) -> str | None:
    """Run make's targets with that Python in a clean clone; return what failed, if anything."""
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    commands = [["git", "clone", "--quiet", str(root), str(clone)]]
    for target in ("env", *targets):
        commands.append(["make", "--no-print-directory", f"--directory={clone}", target])
        commands[-1].append(f"PYTHON={python}")
    for words in commands:
        print("\n==", *words, flush=True)
        if subprocess.run(words, env=kept).returncode:
            return f"`{' '.join(words)}` failed"
    return None


def main() -> int:
    """Try every promised Python with `demo` and `test`; return 1 if one failed.

    With --others, the Python that runs this gets `demo` alone.
    """
    root, others = find_root(), sys.argv[1:] == ["--others"]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    lines: list[str] = []
    computed: dict[str, dict[str, str]] = {}
    failed = False
    for version in promised(root):
        targets = ["demo"] if others and version == here else ["demo", "test"]
        python = interpreter(version)
        if python is None:
            lines.append(f"Python {version}: not found on this machine, so not tried")
            continue
        with tempfile.TemporaryDirectory(prefix="pythons-") as scratch:
            clone = Path(scratch) / "checkout"
            failure = run(python, root, clone, targets)
            if failure is None:
                computed[version] = results(Paths(clone / "demo"))
        if failure is None:
            reference, expected = next(iter(computed.items()))
            for name, _ in sorted(computed[version].items() ^ expected.items())[:1]:
                failure = f"{name} differs from what Python {reference} computed"
        failed = failed or failure is not None
        passed = f"{' and '.join(targets)} passed, results as on Python {next(iter(computed), '')}"
        lines.append(f"Python {version}: {failure or passed}")
    print("", *lines, sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

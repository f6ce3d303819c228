"""Compare `dvc.lock` with the files of a share.

Convention: DVC writes down, for each stage, its command, its parameters, and size and MD5 of each
file or folder that it reads or writes. The MD5 of a folder is that of the list of its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from pipeline.base.errors import UserError

# A share does not hold the figures of the lecture.
LECTURE = ("reports/lecture",)


class Declared(NamedTuple):
    """What three files of a checkout hold: `dvc.lock`, `dvc.yaml` and `params.yaml`."""

    lock: Mapping[str, Any]
    workflow: Mapping[str, Any]
    params: Mapping[str, Any]


def misfits(declared: Declared, files: Mapping[str, bytes]) -> list[str]:
    """Return what `dvc.lock` says otherwise than the files do: paths, commands and parameters.

    Args:
        declared: the lock, and what it has to fit.
        files: code, data and results, by their path in a checkout.

    Raises:
        UserError: the lock or the workflow is none of DVC's.
    """
    try:
        wrong = dict.fromkeys(_differing(declared, files))
        stages = declared.lock["stages"].values()
        paths = {out["path"] for stage in stages for out in stage.get("outs", ())}
    except (KeyError, TypeError, AttributeError):
        raise UserError("dvc.lock or dvc.yaml is not as DVC writes it") from None
    results = [name for name in files if name.startswith(("results/", "reports/"))]
    missing = [
        name for name in results if not {name, *map(str, PurePosixPath(name).parents)} & paths
    ]
    return [*wrong, *missing]


def _differing(declared: Declared, files: Mapping[str, bytes]) -> Iterator[str]:
    params = declared.params
    for name, stage in declared.lock["stages"].items():
        if stage["cmd"] != declared.workflow["stages"][name]["cmd"]:
            yield f"the command of {name}"
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            if key not in params or params[key] != value:
                yield f"{key} of {name}"
        for entry in (*stage["deps"], *stage.get("outs", ())):
            if entry["path"] not in LECTURE and entry != _entry(entry["path"], files):
                yield str(entry["path"])


def _entry(path: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what DVC writes down of a file, or of a folder."""
    if path in files:
        content = files[path]
        return {"path": path, "hash": "md5", "md5": _md5(content), "size": len(content)}
    start = f"{path}/"
    inside = {name.removeprefix(start): files[name] for name in files if name.startswith(start)}
    listed = [{"md5": _md5(inside[name]), "relpath": name} for name in sorted(inside)]
    return {
        "path": path,
        "hash": "md5",
        "md5": f"{_md5(json.dumps(listed).encode())}.dir",
        "size": sum(map(len, inside.values())),
        "nfiles": len(inside),
    }


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()

"""What the last sync saw: enough to tell, in milliseconds, that nothing is new.

Convention: imports neither MLflow nor SciPy, since every `dvc repro` asks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.files import canonical_json, sha256, write_json
from pipeline.paths import Paths
from pipeline.tracking.store import address


def receipt_path(paths: Paths) -> Path:
    """Return where a finished sync notes what it saw."""
    return paths.store.with_name(paths.store.name + ".receipt.json")


def is_up_to_date(config: Config, paths: Paths) -> bool:
    """Tell, without importing MLflow, whether nothing has changed since the last sync."""
    try:
        noted = json.loads(receipt_path(paths).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(noted == receipt(config, paths))


def receipt(config: Config, paths: Paths) -> dict[str, Any]:
    """Return what the mirror is a function of: names, sizes and times of files, and the store."""
    seen = []
    for folder, pattern in (
        (paths.records, "*/*.json"),
        (paths.runs, "*/*.json"),
        (paths.results, "*"),
        (paths.figures, "*"),
    ):
        for path in sorted(folder.glob(pattern)):
            state = path.stat()
            seen.append([str(path), state.st_size, state.st_mtime_ns])
    store = paths.store.stat().st_ino if paths.store.exists() else None
    return {
        "store": [address(config.tracking.uri, paths), store],
        "study": config.study,
        "seen": sha256(canonical_json(seen)),
    }


def write_receipt(seen: dict[str, Any], config: Config, paths: Paths) -> None:
    """Note what a sync has seen; the store it made may only exist since then."""
    write_json(receipt_path(paths), {**seen, "store": receipt(config, paths)["store"]})

"""The mirror beside a sweep, as the launching process sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.tracking.store import LATER

# For the last pass, after the last seed.
LAST_SECONDS = 60.0


@contextmanager
def mirrored(config: Config, paths: Paths) -> Iterator[None]:
    """Mirror the records into MLflow for as long as the context lasts.

    By a process of its own: importing MLflow takes seconds, and no fault of its store may reach
    the training.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.stages.track", "--follow"],
        cwd=paths.root,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    # Not on its command line, which everybody on this machine can read: an address may hold a
    # password.
    order = {"study": config.study, "uri": config.tracking.uri}
    try:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it has told why
    try:
        yield
    finally:
        try:
            process.stdin.close()
            process.wait(LAST_SECONDS)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
            print(f"warning: MLflow has not taken everything in time; {LATER}", file=sys.stderr)

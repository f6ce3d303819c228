"""The mirror beside a sweep, as the launching process sees it."""

from __future__ import annotations

import os
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
    # Not on its command line, which everybody on this machine can read: an address may hold a
    # password.
    env = {**os.environ, "PIPELINE_STUDY": config.study}
    if config.tracking.uri is not None:
        env["PIPELINE_STORE"] = config.tracking.uri
    given = ["study=${oc.env:PIPELINE_STUDY}", "tracking.uri=${oc.env:PIPELINE_STORE,null}"]
    process = subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, "-m", "pipeline.stages.track", "--follow", *given],
        cwd=paths.root,
        env=env,
        stdin=subprocess.PIPE,
    )
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"warning: MLflow has not taken everything in time; {LATER}", file=sys.stderr)

"""Start and stop the process that mirrors records into MLflow during a sweep."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.base.processes import for_modules
from pipeline.tracking.store import LATER

# How long the last pass, after the last seed, may take.
LAST_SECONDS = 60.0


@contextmanager
def mirrored(config: Config, paths: Paths) -> Iterator[None]:
    """Mirror the records into MLflow while the context lasts.

    This takes a separate process: importing MLflow takes seconds, and a failing store must not
    disturb the training.
    """
    # Passed in the environment, since every user of this machine can read command lines, and an
    # address may contain a password.
    env = {**for_modules(os.environ), "PIPELINE_STUDY": config.study}
    if config.tracking.uri is not None:
        env["PIPELINE_STORE"] = config.tracking.uri
    overrides = ["study=${oc.env:PIPELINE_STUDY}", "tracking.uri=${oc.env:PIPELINE_STORE,null}"]
    process = subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, "-m", "pipeline.stages.track", "--follow", *overrides],
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
            print(f"warning: MLflow did not store everything in time; {LATER}", file=sys.stderr)

"""Start and stop the process that mirrors records into MLflow during a sweep."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.base.config import Config
from pipeline.base.paths import Paths
from pipeline.tracking.store import LATER
from pipeline.tracking.sync import follow

# How long the last pass, after the last seed, may take.
LAST_SECONDS = 60.0


@contextmanager
def mirrored(config: Config, paths: Paths) -> Iterator[None]:
    """Mirror the records into MLflow while the context lasts.

    This takes a separate process: importing MLflow takes seconds, and a failing store must not
    disturb the training.
    """
    context = multiprocessing.get_context("spawn")
    ended, ours = context.Pipe(duplex=False)
    process = context.Process(target=follow, args=(config, paths, ended))
    # The process inherits that Ctrl-C is ignored, which reaches it with the sweep: it has to finish
    # the last pass.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    ended.close()
    try:
        yield
    finally:
        ours.close()
        process.join(LAST_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            print(f"warning: MLflow did not store everything in time; {LATER}", file=sys.stderr)

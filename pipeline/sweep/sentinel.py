"""Waits until the process that started it is gone, then ends the workers that one left behind.

Convention: workers are known by a variable that they inherit, not by their parent: an orphan
has another parent already. Imports no NumPy, so that it costs next to nothing.
"""

from __future__ import annotations

import sys
import time

import psutil

# "<pid>:<start time>" of the launching process, in the environment of all that it starts.
LAUNCHER_VARIABLE = "PIPELINE_LAUNCHER"
ALL_IS_WELL = b"done"
# A worker that was being started while its launcher died shows up a moment later.
ROUNDS, PAUSE_SECONDS = 4, 0.25


def main(launcher: str) -> None:
    """Wait for the end of standard input, which only the launcher holds open."""
    if sys.stdin.buffer.read() == ALL_IS_WELL:
        return  # the launcher lets its workers go in good order
    for _ in range(ROUNDS):
        if not _end_workers(launcher):
            return
        time.sleep(PAUSE_SECONDS)


def _end_workers(launcher: str) -> int:
    ended = 0
    me = psutil.Process()
    for process in psutil.process_iter():
        try:
            # Never itself, never the launcher, should that still be on its way out.
            ours = process.pid not in (me.pid, int(launcher.partition(":")[0]))
            # joblib's tracker of shared memory ends by itself, once it has cleaned up.
            tracker = any("resource_tracker" in word for word in process.cmdline())
            if ours and not tracker and process.environ().get(LAUNCHER_VARIABLE) == launcher:
                process.kill()
                ended += 1
        except psutil.Error:
            continue  # gone already, or somebody else's
    return ended


if __name__ == "__main__":
    main(sys.argv[1])

"""End worker processes when the process that started them has ended.

    python -m pipeline.base.orphans NAME ...   wait until one of these processes has ended

A process killed by SIGKILL cannot clean up, and waiting workers run none of our code. So a small
watcher process ends them, whichever launcher started them.

Convention: workers are recognised by an environment variable that they inherit, not by their
parent, since an orphan gets a new one. The watcher imports no NumPy, so it costs little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from pipeline.base.processes import for_modules, is_alive, own_name, process_name

# "<pid>:<start time>" of a process, in the environment of all that it starts.
VARIABLE = "PIPELINE_LAUNCHER"
POLL_SECONDS = 0.3
# A worker that was starting while its launcher died appears a moment later.
ROUNDS = 4
# When one of these is killed, its command would continue, and run beside the next one.
RUNNERS = {"dvc", "make"}


@contextmanager
def no_orphans() -> Iterator[None]:
    """If this process dies, end all that it started meanwhile; if its runner dies, end both."""
    names = [own_name(), *map(process_name, filter(_is_runner, psutil.Process().parents()))]
    watcher = subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, "-m", __spec__.name, *names],
        cwd=Path(__file__).parents[2],
        env=for_modules(os.environ),
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # so that signals to our group do not reach it
    )
    os.environ[VARIABLE] = names[0]
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        watcher.kill()
        watcher.wait()


def _is_runner(process: psutil.Process) -> bool:
    try:
        return any(Path(word).name in RUNNERS for word in process.cmdline()[:3])
    except psutil.Error:
        return False


def watch(names: Sequence[str]) -> None:
    """Wait until one of the processes `names` is gone, then end the first and its workers."""
    while all(map(is_alive, names)):
        time.sleep(POLL_SECONDS)
    if is_alive(names[0]):
        with suppress(psutil.Error):
            psutil.Process(int(names[0].partition(":")[0])).kill()
    for _ in range(ROUNDS):
        workers = [process for process in psutil.process_iter() if _works_for(names[0], process)]
        for worker in workers:
            with suppress(psutil.Error):
                worker.kill()
        if not workers:
            return
        time.sleep(POLL_SECONDS)


def _works_for(name: str, process: psutil.Process) -> bool:
    try:
        # joblib's tracker of shared memory ends by itself, once it has cleaned up.
        tracker = any("resource_tracker" in word for word in process.cmdline())
        return not tracker and process.environ().get(VARIABLE) == name
    except psutil.Error:
        return False  # gone already, or another user's


if __name__ == "__main__":
    watch(sys.argv[1:])

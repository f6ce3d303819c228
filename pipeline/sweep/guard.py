"""Stop workers when their launcher dies, and keep two sweeps out of one store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.base.processes import is_alive, own_name, process_name
from pipeline.sweep.sentinel import ALL_IS_WELL, LAUNCHER_VARIABLE

POLL_SECONDS = 0.3


@contextmanager
def no_orphans() -> Iterator[None]:
    """See to it that the workers this process starts do not outlive it.

    A process killed by SIGKILL can clean up nothing, and workers that wait for a job run none
    of our code. So a sentinel waits beside this process and ends what it leaves, whichever
    launcher started it.
    """
    name = own_name()
    os.environ[LAUNCHER_VARIABLE] = name
    sentinel = subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, "-m", "pipeline.sweep.sentinel", name],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        start_new_session=True,  # out of reach of what is sent to our group
    )
    assert sentinel.stdin is not None
    try:
        yield
        sentinel.stdin.write(ALL_IS_WELL)
    finally:
        del os.environ[LAUNCHER_VARIABLE]
        sentinel.stdin.close()
        sentinel.wait()


def follow_dvc() -> None:
    """End this process as soon as the `dvc` that runs it as a stage is gone.

    DVC kills nothing when it is killed itself; a second `dvc repro` would then train beside us.
    """
    if "DVC_STAGE" in os.environ:
        for parent in psutil.Process().parents():
            if _is_dvc(parent):
                thread = threading.Thread(
                    target=_end_with, args=(process_name(parent),), daemon=True
                )
                thread.start()
                return


def _is_dvc(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return any(Path(word).name == "dvc" for word in words[:3])


def _end_with(name: str) -> None:
    while is_alive(name):
        time.sleep(POLL_SECONDS)
    # SIGKILL and not an exception: whatever is half written lies under a temporary name.
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def alone(folder: Path, purpose: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the store in `folder` for this process.

    Args:
        folder: the store.
        purpose: what for, as a person reads it.
        wait: whether to wait for whoever holds it.

    Raises:
        UserError: another process holds it; names its pid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / ".lock"), folder / ".holder.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        use = f"{folder} is in use by {_holder(holder)}"
        if not wait:
            raise UserError(f"{use}; wait for it, or end it first") from None
        print(f"waiting: {use}", flush=True)
        lock.acquire()
    try:
        write_json(holder, {"pid": os.getpid(), "purpose": purpose})
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes())
        return f"process {found['pid']} ({found['purpose']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def killed_by_kernel() -> int:
    """Return how many processes the kernel has killed for lack of memory; 0 if it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

"""Prevent two sweeps from writing to the same store at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.base.errors import UserError
from pipeline.base.files import write_bytes


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock the store in `folder` for this process.

    Args:
        folder: the store.
        wait: whether to wait for the process that holds it.

    Raises:
        UserError: another process holds it; names its pid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / ".lock"), folder / ".holder"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        process = "another process"
        with suppress(OSError):  # that process may start or end at this moment
            process = f"process {holder.read_text()} (a sweep)"
        use = f"{folder} is in use by {process}"
        if not wait:
            raise UserError(f"{use}; wait for it or end it") from None
        print(f"waiting: {use}", flush=True)
        lock.acquire()
    try:
        write_bytes(holder, str(os.getpid()).encode())
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()

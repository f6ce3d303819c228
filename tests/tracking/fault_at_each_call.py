"""Disturb the mirror at its k-th store call, k = 1, 2, ..., then sync and compare.

Run in a checkout, as `python -m tests.tracking.fault_at_each_call kill`, or `fail`: the process
is killed when it is about to make the call, or the call fails. A process of its own, which imports
MLflow once and forks: each k costs a second instead of ten.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# What every child would otherwise import by itself.
import mlflow.pyfunc
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from mlflow import MlflowClient

from pipeline.base.config import compose
from pipeline.base.errors import Failed
from pipeline.base.paths import Paths
from pipeline.tracking.store import connect
from pipeline.tracking.sync import sync
from tests.tracking.stores import contents

EACH_UP_TO, THEN_EVERY = 30, 5
PATHS = Paths(Path.cwd())
NOT_MIRRORED = 3
EMPTY, EXPECTED = PATHS.root / "empty.db", PATHS.root / "expected.json"


def main(how: str) -> None:
    """Disturb until the mirror gets through."""
    assert forked(make_empty) == 0
    start_anew()
    assert forked(bring_up_to_date) == 0
    assert forked(write_expected) == 0
    call = 1
    while True:
        start_anew()
        status = forked(partial(disturb_at, call, how), bring_up_to_date)
        if status == 0:
            print(f"through with fewer than {call} calls", flush=True)
            return
        if how == "kill":
            assert os.WTERMSIG(status) == signal.SIGKILL, status
        else:
            assert os.waitstatus_to_exitcode(status) == NOT_MIRRORED, status
        print(f"disturbed at call {call}", flush=True)
        assert forked(bring_up_to_date, compare) == 0, call
        call += 1 if call < EACH_UP_TO else THEN_EVERY


def forked(*works: Callable[[], object]) -> int:
    """Do the works in a child, so that this process never opens a store; returns its status."""
    pid = os.fork()
    if pid == 0:
        try:
            for work in works:
                work()
        except Failed:
            os._exit(NOT_MIRRORED)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def make_empty() -> None:
    connect(None, PATHS)
    shutil.copyfile(PATHS.store, EMPTY)


def start_anew() -> None:
    for path in PATHS.root.glob("mlflow.db*"):
        path.unlink()
    shutil.rmtree(PATHS.artifacts, ignore_errors=True)
    shutil.copyfile(EMPTY, PATHS.store)


def disturb_at(call: int, how: str) -> None:
    """Let this process's `call`-th store call be its end, or fail."""
    made = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            if made == call and how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if made == call:
                raise OSError("the store is away")
            return function(*arguments, **named)

        return calling

    for name, function in list(vars(MlflowClient).items()):
        if callable(function) and not name.startswith("_"):
            setattr(MlflowClient, name, counted(function))


def bring_up_to_date() -> None:
    sync(compose(PATHS), PATHS)


def found() -> dict[str, Any]:
    as_json: dict[str, Any] = json.loads(json.dumps(contents(PATHS)))
    return as_json


def write_expected() -> None:
    EXPECTED.write_text(json.dumps(found()))


def compare() -> None:
    stored, expected = found(), json.loads(EXPECTED.read_text())
    assert stored.keys() == expected.keys()
    for key, run in stored.items():
        for field, value in run.items():
            assert value == expected[key][field], f"{key}: {field}"


if __name__ == "__main__":
    main(sys.argv[1])

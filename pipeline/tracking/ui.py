"""Start MLflow's user interface on a server that only this machine can reach."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from pipeline.base.command import run
from pipeline.base.config import Config
from pipeline.base.errors import Failed
from pipeline.base.masking import printable
from pipeline.base.orphans import no_orphans
from pipeline.base.paths import Paths
from pipeline.records.gather import gather
from pipeline.tracking.mirror import VIEW
from pipeline.tracking.store import SETTINGS, address, connect
from pipeline.tracking.sync import sync

FIRST_PORT = 5000


def ui(config: Config, paths: Paths) -> None:
    """Bring the store up to date, print its address, and serve it unless a server already does."""
    uri = config.tracking.uri
    gather(config, paths)
    sync(config, paths)
    page = "#/experiments?workflowType=machine_learning"
    experiment = connect(uri, paths).client.get_experiment_by_name(config.study)
    if experiment is not None:
        page = page.replace("?", f"/{experiment.experiment_id}/runs?")
        page += f"&viewStateShareKey={VIEW}"
    if uri is not None and uri.startswith("http"):
        print(f"the runs are at {printable(uri.rstrip('/'))}/{page}")
        return
    port = _free_port()
    print(f"MLflow starts at http://127.0.0.1:{port}/{page}  (Ctrl-C ends it)", flush=True)
    # Two processes instead of fifteen. MLflow has no login, so it serves this machine only.
    os.environ.update(SETTINGS, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    os.environ.update(MLFLOW_LOGGING_LEVEL="ERROR", PYTHONWARNINGS="ignore")
    # Not on the command line, since the address of a database may contain a password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address(uri, paths)
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--uvicorn-opts", "--log-level=warning"]  # no line for every request
    _serve([sys.executable, "-m", "mlflow", "server", *words])


def _serve(command: list[str]) -> None:
    """Run a server until this process is stopped; Ctrl-C reaches the server only through it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with no_orphans():
        server = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - no shell
        try:
            server.wait()
        finally:
            server.terminate()
            server.wait()
    raise Failed(f"MLflow's server ended by itself, with exit code {server.returncode}")


def _free_port() -> int:
    """Return MLflow's usual port, or another one if it is in use."""
    with suppress(OSError), socket.create_server(("127.0.0.1", FIRST_PORT)):
        return FIRST_PORT
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    run(ui)

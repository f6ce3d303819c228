"""A real SLURM of one node on loopback, from Debian's packages, for as long as a test takes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
CPUS = 2


def why_not() -> str | None:
    """Return why there can be no SLURM here, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"Debian's slurmctld, slurmd, slurm-client and munge are not installed: {missing}"
    if os.getuid() != 0:
        return "only root can start SLURM's daemons"
    if (os.cpu_count() or 1) < CPUS:
        return f"the node of this test has {CPUS} cores"
    return None


def _configuration(folder: Path, ports: tuple[int, int]) -> str:
    host = socket.gethostname().split(".")[0]
    return f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory=8000 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster; yields what its users need in their environment.

    Args:
        folder: a short path, since sockets allow no long one.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    configuration = folder / "slurm.conf"
    configuration.write_text(_configuration(folder, _free_ports()))
    environment = {"SLURM_CONF": str(configuration)}
    daemons = (
        [
            *("munged", "--foreground", "--force", f"--key-file={key}"),
            *(f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid"),
            *(f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"),
        ],
        ["slurmctld", "-D", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration), "-N", socket.gethostname().split(".")[0]],
    )
    with ExitStack() as stack:
        for words in daemons:
            log = stack.enter_context((folder / f"{words[0]}.out").open("wb"))
            daemon = subprocess.Popen(
                words, env={**os.environ, **environment}, stdout=log, stderr=log
            )
            stack.callback(_end, daemon)
            time.sleep(0.5)
        _wait_until_idle(environment, folder)
        yield environment


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    ends = time.monotonic() + 60
    while True:
        told = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if told.stdout.strip() == "idle":
            return
        if time.monotonic() > ends:
            logs = "\n".join(path.read_text(errors="replace") for path in folder.glob("*.log"))
            raise AssertionError(f"no idle node: {told.stdout}{told.stderr}\n{logs}")
        time.sleep(0.3)

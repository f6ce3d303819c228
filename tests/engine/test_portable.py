"""The same bytes on every CPU: trainings compiled for one after the other, each in a process."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.engine.canary import EXPECTED
from pipeline.engine.code import CPU_VARIABLE, CPUS
from tests.conftest import run_python

# Of `small_training`: float32, float32 with momentum, float64 with momentum, rotated inputs; then
# with tanh, softmax and weight decay: float32, float64 with momentum.
TRAININGS = [
    "6fbba5487bfba3845f6545f3bd6185868af9f13babc3510e7a08b8849e167d50",
    "2d2b9edef05a46f05dc5697bbea912f95917e4ba4a446ef2cadc71e57828a6fa",
    "6cf9906655e33545cda55ca7bb9421a269ac140226fef0626b72efa73e5d0b09",
    "342cc00ba3ccd244df716ca72105f1359e5d2c64dd204336cb3ab8a2c187e093",
    "b9a9084832639f185769d9d154d00c90d9c3ddc7967673efcccb6dd4f5464d52",
    "9fdf430d6f5197dcba294bd02010719c5b29c14460a12ea6468460451275edd6",
]

# Of `mnist_epoch`.
FIRST_EPOCH = "d56e6a000890d032304f61761edba7c79365b9c5e0a58abe0bcd901c1090deba"


def run(cpu: str | None, *words: str) -> subprocess.CompletedProcess[str]:
    return run_python(*words, env={CPU_VARIABLE: cpu}, check=False)


def skip_foreign(cpu: str | None, done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode and "this machine can run code for" in done.stderr:
        pytest.skip(f"this CPU cannot run code for {cpu}")


@pytest.mark.parametrize("cpu", [None, *CPUS])
def test_a_training_ends_in_the_same_bytes(cpu: str | None) -> None:
    done = run(cpu, "-m", "tests.engine.small_training")
    skip_foreign(cpu, done)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [*TRAININGS, EXPECTED["float32"], EXPECTED["float64"]]


@pytest.mark.mnist
@pytest.mark.slow
@pytest.mark.parametrize("cpu", [None, *CPUS])
def test_the_first_epoch_on_mnist_ends_in_the_same_bytes(
    cpu: str | None, mnist_files: Path, tmp_path: Path
) -> None:
    if cpu == "x86-64":
        pytest.skip("without fused multiply-adds in hardware it takes minutes")
    done = run(cpu, "-m", "tests.engine.mnist_epoch", str(mnist_files), str(tmp_path))
    skip_foreign(cpu, done)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == FIRST_EPOCH


def test_a_cpu_whose_code_does_not_run_here_is_refused_in_a_sentence() -> None:
    done = run("pentium-12", "-c", "from pipeline.engine.code import machine; machine()")
    assert "PIPELINE_CPU = pentium-12: this machine can run code for" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("unset it to compile for the CPU at hand")


def test_a_missing_llvmlite_is_told_in_one_line() -> None:
    code = "import sys; sys.modules['llvmlite'] = None; from pipeline.stages import train"
    done = run(None, "-c", code)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: llvmlite")
    assert "make env" in line


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds to a core")
def test_a_training_on_one_core_ends_in_the_same_bytes() -> None:
    """Elsewhere its two threads, training and evaluation, run at once."""
    code = (
        "import os, runpy; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "runpy.run_module('tests.engine.small_training', run_name='__main__')"
    )
    assert run_python("-c", code).stdout.split()[:-2] == TRAININGS

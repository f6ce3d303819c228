"""The same bytes on every CPU: trainings compiled for one after the other, each in a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base.paths import find_root
from pipeline.data.catalogue import MNIST_FILES
from pipeline.engine.canary import EXPECTED
from pipeline.engine.code import CPU_VARIABLE

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

FEATURES = {
    "haswell": {"avx2", "fma"},
    "x86-64-v3": {"avx2", "fma"},
    "skylake-avx512": {"avx512f", "avx512vl"},
    "znver4": {"avx512f", "avx512vl", "avx512vbmi"},
    "x86-64": {"sse2"},  # by libm's fma
}
"""What code for a CPU needs of the one that it runs on."""


def run(cpu: str | None, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(CPU_VARIABLE)
    }
    if cpu is not None:
        environment[CPU_VARIABLE] = cpu
    return subprocess.run(
        [sys.executable, *words],
        env=environment,
        cwd=find_root(),
        capture_output=True,
        text=True,
        check=False,
    )


def has(cpu: str) -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("\nflags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return FEATURES[cpu] <= set(flags)


@pytest.mark.parametrize("cpu", [None, *FEATURES])
def test_a_training_ends_in_the_same_bytes(cpu: str | None) -> None:
    if cpu is not None and not has(cpu):
        pytest.skip(f"this CPU cannot run code for {cpu}")
    done = run(cpu, "-m", "tests.engine.small_training")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [*TRAININGS, EXPECTED["float32"], EXPECTED["float64"]]


def mnist() -> Path:
    """Return the folder of MNIST's files, or skip."""
    root = find_root()
    places = [root.parent / "shared" / "mnist", root / "data" / "raw" / "mnist"]
    for folder in (Path(os.environ.get("MNIST_MIRROR", root)), *places):
        if (folder / MNIST_FILES[0]).exists():
            return folder
    pytest.skip("the MNIST files are in none of the places where they are looked for")


@pytest.mark.mnist
@pytest.mark.slow
@pytest.mark.parametrize("cpu", [None, *FEATURES])
def test_the_first_epoch_on_mnist_ends_in_the_same_bytes(cpu: str | None, tmp_path: Path) -> None:
    if cpu is not None and not has(cpu):
        pytest.skip(f"this CPU cannot run code for {cpu}")
    if cpu == "x86-64":
        pytest.skip("without fused multiply-adds in hardware it takes minutes")
    done = run(cpu, "-m", "tests.engine.mnist_epoch", str(mnist()), str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == FIRST_EPOCH


def test_a_cpu_that_nobody_knows_is_refused_in_a_sentence() -> None:
    done = run("pentium-12", "-c", "from pipeline.engine.code import machine; machine()")
    assert done.stderr.splitlines()[-1].endswith(
        "PIPELINE_CPU = pentium-12: LLVM knows no such CPU; try x86-64-v3"
    )


def test_a_cpu_whose_code_crashes_here_is_refused_in_a_sentence() -> None:
    """One that has no 64-bit mode stands for those whose instructions this one does not have."""
    done = run("pentium3", "-c", "from pipeline.engine.code import machine; machine()")
    assert "PIPELINE_CPU = pentium3: this machine" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].endswith("unset it to compile for the CPU at hand")


def test_a_cpu_that_was_tried_out_elsewhere_is_tried_out_again() -> None:
    """A worker on another node inherits what its launcher found out on its own."""
    code = "import os; os.environ['PIPELINE_CPU_RUNS_HERE'] = 'pentium3 on another'; "
    done = run("pentium3", "-c", f"{code}from pipeline.engine.code import machine; machine()")
    assert done.stderr.splitlines()[-1].endswith("unset it to compile for the CPU at hand")


def test_a_missing_llvmlite_is_told_in_one_line() -> None:
    code = "import sys; sys.modules['llvmlite'] = None; from pipeline.stages import train"
    done = run(None, "-c", code)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: llvmlite")
    assert "make env" in line

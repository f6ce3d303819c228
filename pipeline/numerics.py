"""Which kernels NumPy computes with, chosen before NumPy is imported.

OpenBLAS and NumPy look at the CPU and pick the fastest of the kernels that they bring along;
another kernel adds in another order, so another CPU gives other last bits, and after thousands
of steps another weight. The `portable` profile picks the same kernels everywhere.

Convention: a profile is environment variables, since nothing else reaches NumPy early enough.
Processes inherit them: workers compute as whoever launched them.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

# One thread: their number changes the last bits too, and two processes with two threads each
# on two cores take many times as long as with one.
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# AVX2 and FMA, which x86-64 CPUs have had since 2013 (Intel) and 2015 (AMD): for OpenBLAS by the
# first CPU with them, for NumPy by switching off what it has beyond them.
AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
PROFILES = ("portable", "native")
# Says which profile a process was started with.
VARIABLE = "PIPELINE_NUMERICS"
STARTED_WITH = dict(os.environ)


def variables(profile: str) -> dict[str, str]:
    """Return the environment variables of a profile on this machine."""
    pinned = AVX2 if profile == "portable" and _has_avx2() else {}
    return {VARIABLE: profile, **THREADS, **pinned}


def start() -> None:
    """Set the profile of this process: its launcher's, or else `portable`.

    Does nothing once NumPy is imported, and so too late.
    """
    if "numpy" not in sys.modules:
        profile = os.environ.get(VARIABLE, "portable")
        for name in AVX2:
            os.environ.pop(name, None)
        os.environ.update(variables(profile))


def ensure(profile: str) -> None:
    """Go on with `profile`: if this process was started with another, start it anew."""
    if os.environ.get(VARIABLE) != profile:
        sys.stdout.flush()
        sys.stderr.flush()
        words = [sys.executable, *sys.orig_argv[1:]]
        # Without what this process has set since, such as how Hydra reports errors.
        kept = {name: value for name, value in STARTED_WITH.items() if name not in AVX2}
        os.execve(sys.executable, words, {**kept, **variables(profile)})  # noqa: S606 - no shell


def require(profile: str) -> None:
    """Check that this process was started with `profile`.

    Raises:
        RuntimeError: it was not, as in a worker that inherits no environment.
    """
    found = os.environ.get(VARIABLE)
    if found != profile:
        raise RuntimeError(f"numerics = {profile}, but this worker has {VARIABLE} = {found}")


def _has_avx2() -> bool:
    # OpenBLAS would run AVX2 kernels on a CPU without them, and crash.
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return {"avx2", "fma"} <= set(flags)

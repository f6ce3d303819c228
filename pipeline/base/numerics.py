"""What NumPy and BLAS compute with, chosen before NumPy is imported.

Trainings use neither: see `pipeline.engine`. A whitening's fit, statistics and the lecture's cosine
do. Their last bits depend on the number of threads and on the CPU, for which OpenBLAS and NumPy
pick the fastest kernels that they bring along. So one thread and, on x86-64, the kernels for AVX2
are chosen everywhere. Processes inherit the choice.
"""

from __future__ import annotations

import os
import platform
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

# Two processes with two threads each on two cores also take many times as long as with one.
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# AVX2 and FMA, which x86-64 CPUs have had since 2013 (Intel) and 2015 (AMD): for OpenBLAS by the
# first CPU with them, for NumPy by switching off what it has beyond them.
AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


def start() -> None:
    """Choose threads and kernels; does nothing once NumPy is imported, and so too late."""
    if "numpy" not in sys.modules:
        os.environ.update(THREADS)
        if _has_avx2():
            os.environ.update(AVX2)


def one_blas_thread() -> AbstractContextManager[Any]:
    """Limit matrix products to one thread where NumPy may have been imported before `start`."""
    import threadpoolctl

    os.environ.update(THREADS)  # for processes that this one starts
    return threadpoolctl.threadpool_limits(limits=1, user_api="blas")


def _has_avx2() -> bool:
    # OpenBLAS would run AVX2 kernels on a CPU without them, and crash.
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return {"avx2", "fma"} <= set(flags)

"""Choose the threads and CPU kernels of NumPy and BLAS, before NumPy is imported.

Training uses neither: see `pipeline.engine`. Whitening, statistics and the lecture's cosine do.
Their last bits depend on the number of threads and on the kernels, which OpenBLAS and NumPy choose
by CPU. So all code here uses one thread and, on x86-64 with AVX2, the kernels for AVX2. Importing
the package makes the choice, and child processes inherit it. A program that imported NumPy before
keeps the kernels that it has.
"""

from __future__ import annotations

import os
import platform
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

# Also for speed: on two cores, two processes with two threads each are many times slower.
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# AVX2 and FMA: x86-64 CPUs have had them since 2013 (Intel) and 2015 (AMD). OpenBLAS is told the
# first CPU with them; NumPy is told to disable all newer features.
AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


def start() -> None:
    """Choose threads and kernels; does nothing if NumPy is imported, since it is too late then."""
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

"""One thread for what BLAS and LAPACK compute, chosen before NumPy is imported.

Trainings use neither: see `pipeline.engine`. A whitening's fit does, and its last bits depend on
the number of threads; and two processes with two threads each on two cores take many times as long
as with one. Processes inherit the choice.
"""

from __future__ import annotations

import os
import sys

THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def start() -> None:
    """Choose one thread; does nothing once NumPy is imported, and so too late."""
    if "numpy" not in sys.modules:
        os.environ.update(THREADS)

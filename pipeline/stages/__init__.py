"""One thin entry a DVC stage: load, call, save. No arithmetic, no path spelled.

Importing this package limits BLAS to one thread, before NumPy is first imported: its threads
are made then, and too many of them slow a worker down many times.
"""

import os

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

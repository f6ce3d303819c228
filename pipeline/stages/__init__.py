"""One short module per DVC stage: it loads files, calls a function and saves the result.

Importing this package chooses what NumPy computes with, before any stage imports it.
"""

import atexit
import gc
from importlib.util import find_spec

from pipeline.base import numerics

numerics.start()
if find_spec("llvmlite") is None:
    raise SystemExit(
        "error: llvmlite, which compiles the arithmetic of pipeline/engine, is missing; `make env` "
        "installs it on x86-64 and Arm64"
    )
# A stage imports large libraries, works for seconds, and ends. What is imported stays; by default
# the collector goes through all of it again and again meanwhile, and once more at the end.
gc.set_threshold(100_000)
atexit.register(gc.freeze)

"""One short module per DVC stage: it loads files, calls a function and saves the result."""

import atexit
import gc
from importlib.util import find_spec

if find_spec("llvmlite") is None:
    raise SystemExit(
        "error: llvmlite, which compiles the arithmetic of pipeline/engine, is missing; is the "
        "environment active (`source .venv/bin/activate`)? `make env` builds it, with llvmlite on "
        "x86-64 and Arm64"
    )
# A stage imports large libraries and runs for seconds. By default, the garbage collector would
# traverse all imported objects again and again, and once more at exit.
gc.set_threshold(100_000)
atexit.register(gc.freeze)

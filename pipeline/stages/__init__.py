"""One thin entry a DVC stage: load, call, save. No arithmetic, no path spelled.

Importing this package limits BLAS to one thread, before any stage imports NumPy.
"""

import atexit
import gc

from pipeline import numerics

numerics.start()
# A stage imports large libraries, works for seconds, and ends. What is imported stays; by default
# the collector goes through all of it again and again meanwhile, and once more at the end.
gc.set_threshold(100_000)
atexit.register(gc.freeze)

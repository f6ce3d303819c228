"""One thin entry a DVC stage: load, call, save. No arithmetic, no path spelled.

Importing this package chooses NumPy's kernels, before any stage imports NumPy.
"""

from pipeline import numerics

numerics.start()

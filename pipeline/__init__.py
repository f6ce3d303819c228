"""From raw digits to a figure with honest error bars.

The folders, called rooms, in the order in which data flow through them: `data` (images, split,
preprocessing), `network` (the lecture's equations), `engine` (the same, compiled), `records` (the
files of a training run), `sweep` (one job per seed), `results` (evaluation, statistics, pages),
`lecture` (the lecture's demonstrations), `draw` (a page to draw on), `tracking` (copies in MLflow),
`share` (a result as one zip file), `stages` (one module per DVC stage). All of them use `base`.

Importing the package chooses NumPy's threads and kernels, so import NumPy after it.
"""

from pipeline.base import numerics

numerics.start()

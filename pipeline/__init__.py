"""From raw digits to a figure with honest error bars.

The rooms, in the order in which data flows through them: `data` (images, split, preprocessing),
`network` (the lecture's equations), `engine` (the same, fast), `records` (what a training run
leaves), `sweep` (one job per seed), `results` (evaluation, statistics, pages), `lecture` (the
lecture's demonstrations), `draw` (a page to draw on), `tracking` (the mirror in MLflow),
`stages` (one thin entry per DVC stage). `base` is what all of them use.
"""

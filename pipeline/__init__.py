"""From raw digits to a figure with honest error bars.

The rooms, in the order in which data flows through them: `data` (digits, split,
preprocessing), `network` (the lecture's equations), `records` (what a training run leaves),
`results` (evaluation and statistics), `tracking` (the mirror in MLflow), `lecture` (the
lecture's demonstrations) and `stages` (one thin entry a DVC stage).
"""

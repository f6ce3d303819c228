"""Named random generators, each derived from a seed, a purpose and an epoch.

Convention: nobody draws from a shared generator. What an epoch draws depends on the seed and the
epoch's number alone, so training resumes at any epoch with nothing but the weights.
"""

from __future__ import annotations

import numpy as np

# Numbers are part of every result: never renumber, only add.
PURPOSES = {"initialisation": 0, "order": 1, "noise": 2}


def generator(seed: int, purpose: str, epoch: int = 0) -> np.random.Generator:
    """Return the generator of one purpose in one epoch.

    Args:
        seed: a whole number from 0 on.
        purpose: a name in `PURPOSES`.
        epoch: 0 for what happens once.

    The spawn key keeps streams apart that plain lists of entropy would not:
    SeedSequence([42]) equals SeedSequence([42, 0]).
    """
    key = (PURPOSES[purpose], epoch)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))

"""Named random generators, each derived from a seed, a purpose and an epoch.

Convention: generators are not shared. An epoch's random numbers depend on the seed and the epoch's
number alone, so that training can resume at any epoch without the state of a generator.
"""

from __future__ import annotations

import numpy as np

# Results depend on these numbers: never change one, only add new ones.
PURPOSES = {"initialisation": 0, "order": 1, "noise": 2}


def generator(seed: int, purpose: str, epoch: int = 0) -> np.random.Generator:
    """Return the generator of one purpose in one epoch.

    Args:
        seed: a whole number from 0 on.
        purpose: a name in `PURPOSES`.
        epoch: 0 if the purpose occurs once per training.

    Spawn keys give different streams where lists of entropy may not: SeedSequence([42]) equals
    SeedSequence([42, 0]).
    """
    key = (PURPOSES[purpose], epoch)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))

"""What stages have prepared is kept for the next seed, but not without end."""

import dataclasses
import gc
import weakref

from pipeline.base.config import compose
from pipeline.data.prepared import MOST_KEPT, load
from pipeline.data.preprocessing import AffineMap
from tests.conftest import Checkout


def test_a_sweep_over_many_preprocessors_does_not_keep_them_all(checkout: Checkout) -> None:
    config = compose(checkout.paths, ["preprocess.method=whiten"])

    def fitted(epsilon: float) -> AffineMap:
        preprocess = dataclasses.replace(config.preprocess, epsilon=epsilon)
        return load(dataclasses.replace(config, preprocess=preprocess), checkout.paths).preprocessor

    assert fitted(1.0) is fitted(1.0)
    first = weakref.ref(fitted(1.0))
    for number in range(MOST_KEPT):
        fitted(2.0 + number)
    gc.collect()
    assert first() is None

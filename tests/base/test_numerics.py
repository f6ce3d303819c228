"""All code computes with one thread and the kernels of AVX2, whatever CPU it runs on."""

import hashlib
import platform

import pytest

from pipeline.base import numerics
from tests.conftest import Checkout, run_python

needs_avx2 = pytest.mark.skipif(
    not numerics._has_avx2(), reason="this CPU has no AVX2, so nothing is chosen"
)
ASK = (
    "import pipeline, numpy, threadpoolctl; "
    "(blas,) = (l for l in threadpoolctl.threadpool_info() if l['user_api'] == 'blas'); "
    "print(blas['architecture'], blas['num_threads'])"
)


@needs_avx2
@pytest.mark.parametrize("detected", ["SkylakeX", "Zen", ""])
def test_the_kernels_are_the_same_whatever_is_detected(detected: str) -> None:
    done = run_python("-c", ASK, env={"OPENBLAS_CORETYPE": detected, "OPENBLAS_NUM_THREADS": "7"})
    assert done.stdout == "Haswell 1\n"


@needs_avx2
@pytest.mark.parametrize("method", ["whiten", "standardise"])
def test_a_fit_and_its_summary_are_the_same_whatever_is_detected(
    method: str, checkout: Checkout
) -> None:
    """LAPACK computes the one, and BLAS the covariance that the other reports."""
    hashes = set()
    for detected in ("SkylakeX", "Haswell"):
        env = {"OPENBLAS_CORETYPE": detected}
        checkout.run("pipeline.stages.preprocess", f"preprocess.method={method}", env=env)
        paths = (checkout.paths.preprocessor, checkout.paths.preprocess_summary)
        hashes.add(hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest())
    assert len(hashes) == 1


def test_elsewhere_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert not numerics._has_avx2()

"""The portable profile computes with the same kernels whatever CPU is found, or claimed."""

import json
import platform

import pytest

from pipeline import numerics
from pipeline.records.record import read_finished
from tests.conftest import Checkout

SHORT = ("training.epochs=2", "seed=0,1")
# CPUs whose kernels differ; OpenBLAS believes this variable more than the CPU itself.
DETECTED = ("Prescott", "Sandybridge", "Zen", "SkylakeX")

needs_avx2 = pytest.mark.skipif(
    not numerics._has_avx2(), reason="this CPU has no AVX2, so nothing is pinned"
)


def trained(checkout: Checkout) -> dict[str, tuple[str, str]]:
    """Return kernel and manifest of every record, by identity."""
    found = {}
    for path in checkout.paths.records.glob("*/manifest.json"):
        record = read_finished(path.parent)
        (blas,) = record.description["environment"]["blas"]
        found[path.parent.name] = (blas["kernel"], path.read_text())
    return found


def run(checkout: Checkout, detected: str, *words: str) -> None:
    env = {"OPENBLAS_CORETYPE": detected}
    checkout.run("pipeline.stages.train", "tracking.live=false", *SHORT, *words, env=env)


@needs_avx2
def test_portable_gives_the_same_records_whichever_cpu_is_detected(checkout: Checkout) -> None:
    run(checkout, DETECTED[0])
    first = trained(checkout)
    assert {kernel for kernel, _ in first.values()} == {"Haswell"}
    for detected in DETECTED[1:]:
        for name in first:
            (checkout.paths.records / name / "manifest.json").unlink()
        run(checkout, detected)
        assert trained(checkout) == first


@needs_avx2
def test_native_takes_the_kernels_of_this_cpu_and_records_which(checkout: Checkout) -> None:
    """Not a claimed CPU's: `native` means what NumPy chooses by itself."""
    run(checkout, "Prescott", "numerics=native")
    found = {kernel for kernel, _ in trained(checkout).values()}
    assert len(found) == 1
    assert found != {"Prescott"}


def test_a_profile_says_all_of_its_variables() -> None:
    assert numerics.variables("native") == {numerics.VARIABLE: "native", **numerics.THREADS}
    pinned = numerics.variables("portable").keys() - numerics.variables("native").keys()
    assert pinned in (set(numerics.AVX2), set())
    assert pinned == set() or platform.machine() in ("x86_64", "AMD64")


def test_a_sweep_has_one_profile(checkout: Checkout) -> None:
    done = checkout.train("numerics=portable,native", check=False)
    assert done.returncode == 2
    assert "numerics: allowed is one profile a sweep" in done.stderr


def test_an_unknown_profile_is_refused(checkout: Checkout) -> None:
    done = checkout.train("numerics=fast", check=False)
    assert done.returncode == 2
    assert "numerics = fast: allowed is one of portable, native" in done.stderr


def test_a_stage_restarts_itself_under_another_profile(checkout: Checkout) -> None:
    """And only then; what it read from the command line stays."""
    code = (
        "import os, sys\n"
        "from pipeline import numerics\n"
        "numerics.start()\n"
        "import numpy\n"
        "numerics.ensure(sys.argv[1])\n"
        "import json\n"
        "from pipeline.records.environment import numeric_environment\n"
        "print(json.dumps([os.environ[numerics.VARIABLE], numeric_environment()['blas']]))\n"
    )
    path = checkout.paths.root / "tell.py"
    path.write_text(code)
    for profile in numerics.PROFILES:
        told, blas = json.loads(checkout.run("tell", profile).stdout)
        assert told == profile
        assert blas[0]["threads"] == 1

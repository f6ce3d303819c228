"""The canary detects arithmetic that changes bits; a preprocessor's hash covers every bit."""

import ctypes
import platform
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from llvmlite import ir

from pipeline.base.files import arrays_digest
from pipeline.data.preprocessing import AffineMap
from pipeline.engine.canary import EXPECTED, canary
from pipeline.engine.code import Code, compiled
from pipeline.network.activations import ACTIVATIONS

# Bits of x86's control register: no exceptions; and results and inputs that are subnormal are zero.
DEFAULT, FLUSH = 0x1F80, 0x1F80 | 0x8040


@pytest.mark.parametrize("dtype", EXPECTED)
def test_this_machine_computes_what_others_do(dtype: str) -> None:
    assert canary(dtype) == canary(dtype) == EXPECTED[dtype]


def test_an_added_activation_leaves_the_canary_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIVATIONS, "added", ACTIVATIONS["relu"])
    assert canary("float32") == EXPECTED["float32"]


def set_control_register(code: Code) -> None:
    code.intrinsic("llvm.x86.sse.ldmxcsr", ir.VoidType(), *code.function.args)


def in_a_thread(task: Callable[[], str]) -> str:
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(task()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86's flags")
def test_a_thread_that_turns_subnormal_numbers_into_zero_is_seen() -> None:
    address = compiled(set_control_register, "", np.dtype(np.float32))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)

    def flushed(task: Callable[[], str]) -> str:
        call(np.array([FLUSH], np.uint32).ctypes.data)
        digest = task()
        call(np.array([DEFAULT], np.uint32).ctypes.data)
        return digest

    digest = in_a_thread(lambda: flushed(lambda: canary("float32")))
    assert digest != EXPECTED["float32"]
    # The thread that takes a training's steps is started by the one that computes the canary.
    assert in_a_thread(lambda: flushed(lambda: in_a_thread(lambda: canary("float32")))) == digest
    assert in_a_thread(lambda: canary("float32")) == EXPECTED["float32"]


def test_every_bit_of_a_preprocessor_counts() -> None:
    rng = np.random.default_rng(0)
    fitted = AffineMap(rng.normal(size=5), np.ones(()), rng.normal(size=(5, 3)))
    assert fitted.matrix is not None
    other = fitted.matrix.copy()
    other[4, 2] = np.nextafter(other[4, 2], 9)
    variants = [
        fitted,
        replace(fitted, matrix=other),
        replace(fitted, matrix=None),
        replace(fitted, matrix=fitted.matrix.reshape(3, 5)),
        replace(fitted, scale=np.ones(5)),
    ]
    assert len({arrays_digest(each.arrays()) for each in variants}) == len(variants)
    again = replace(fitted, matrix=np.asfortranarray(fitted.matrix))
    assert arrays_digest(again.arrays()) == arrays_digest(fitted.arrays())

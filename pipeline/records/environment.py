"""What a run was computed with, for people: no bit of a training depends on it.

Convention: everything is read from the libraries that are loaded, nothing from what was asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version
from typing import Any

import threadpoolctl

from pipeline.base.numerics import THREADS
from pipeline.engine.code import machine

LIBRARIES = {"NumPy": "numpy", "SciPy": "scipy", "llvmlite": "llvmlite"}


def one_blas_thread() -> AbstractContextManager[Any]:
    """Limit matrix products to one thread, in this process and those it starts.

    Also where NumPy was imported before `pipeline.base.numerics` could say so.
    """
    os.environ.update(THREADS)
    return threadpoolctl.threadpool_limits(limits=1, user_api="blas")


def numeric_environment() -> dict[str, str]:
    """Return versions of libraries, NumPy's BLAS with kernel and threads, and LLVM's target."""
    blas = [
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}, "
        f"{library['num_threads']} thread"
        for library in threadpoolctl.threadpool_info()
        # SciPy and scikit-learn bring libraries of their own, which fit no whitening here.
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]
    return {
        **{name: version(package) for name, package in LIBRARIES.items()},
        "BLAS": "; ".join(blas),
        "compiled for": machine().cpu,
    }


def recorded_environment(origin: Mapping[str, Any]) -> dict[str, str]:
    """Return the numeric environment that an origin names; empty where it names none."""
    environment = origin.get("environment")
    if not isinstance(environment, dict):
        return {}
    return {str(name): str(value) for name, value in environment.items()}

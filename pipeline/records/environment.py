"""The numeric environment: what, besides code, data and seed, can change a result's bits.

Convention: everything is read from the libraries that are loaded, nothing from what was asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import scipy
import threadpoolctl

from pipeline.numerics import THREADS


def one_blas_thread() -> AbstractContextManager[Any]:
    """Limit matrix products to one thread, in this process and those it starts.

    Also where NumPy was imported before `pipeline.numerics` could say so.
    """
    os.environ.update(THREADS)
    return threadpoolctl.threadpool_limits(limits=1, user_api="blas")


def numeric_environment() -> dict[str, Any]:
    """Return versions of NumPy and SciPy, the BLAS with kernel and threads, SIMD extensions."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    blas = [
        {
            "name": library["internal_api"],
            "version": library["version"],
            "kernel": library.get("architecture", "unknown"),
            "threads": library["num_threads"],
        }
        for library in threadpoolctl.threadpool_info()
        # SciPy and scikit-learn bring libraries of their own, which no product here runs on.
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]
    return {
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": blas,
        "simd": list(simd.get("found", [])),
    }


def is_environment(value: Mapping[str, Any]) -> bool:
    """Tell whether `value` has the form of what `numeric_environment` returns."""
    libraries = value.get("blas")
    return (
        all(isinstance(value.get(name), str) for name in ("numpy", "scipy"))
        and isinstance(value.get("simd"), list)
        and all(isinstance(extension, str) for extension in value["simd"])
        and isinstance(libraries, list)
        and all(
            isinstance(library, dict) and library.keys() == {"name", "version", "kernel", "threads"}
            for library in libraries
        )
    )


def blas_name(environment: Mapping[str, Any]) -> str:
    """Return the BLAS of a numeric environment, as a person reads it."""
    return "; ".join(
        f"{library['name']} {library['version']} {library['kernel']}, {library['threads']} thread"
        for library in environment["blas"]
    )

"""What a user did that cannot work, told in one line.

Convention: library code raises `UserError` (or lets a library's error through) and never
prints; a stage's `main` runs inside `one_line_errors`, the only place that prints and exits.

Exit codes: 0 done; 1 a failed seed or an error below; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.masking import masked, printable


class UserError(Exception):
    """A mistake that the user can mend; its text says which value and what is allowed."""


class TrainingFailed(Exception):
    """At least one seed did not finish; its text says which and why."""


class StageFailed(Exception):
    """A stage or DVC failed in another process, which has told why; its text says which."""


class NotMirrored(Exception):
    """The tracking store is not up to date; its text says why. Results do not depend on it."""


# Hydra's own switch, as the user set it; a stage that wants Hydra's exceptions sets it later.
TRACEBACK_WANTED = os.environ.get("HYDRA_FULL_ERROR", "0") == "1"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn whatever ends a stage into one line on standard error and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no letter for something is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from what is complete", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if TRACEBACK_WANTED:
            print(masked(traceback.format_exc()), end="", file=sys.stderr)
        print(f"error: {printable(masked(describe(error)))}", file=sys.stderr)
        raise SystemExit(2 if _is_bad_input(error) else 1) from None


def describe(error: BaseException) -> str:
    """Return one line that says what is wrong, without a traceback."""
    from omegaconf.errors import OmegaConfBaseException

    root = error
    while root.__cause__ is not None and not isinstance(root, OmegaConfBaseException):
        root = root.__cause__
    if isinstance(root, OmegaConfBaseException) and root.full_key:
        return f"{root.full_key}: {str(root.msg).strip().splitlines()[0]}"
    # Hydra adds where it looked, over many lines.
    text = " ".join(str(error).partition("Config search path")[0].split())
    if _is_bad_input(error) or isinstance(error, (TrainingFailed, StageFailed, NotMirrored)):
        return text
    return f"{text or 'no message'} [{type(error).__name__}; HYDRA_FULL_ERROR=1 shows where]"


def _is_bad_input(error: BaseException) -> bool:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return isinstance(error, (UserError, HydraException, OmegaConfBaseException))

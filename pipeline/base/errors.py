"""Mistakes of a user, reported in one line.

Convention: code raises `UserError`, or lets a library's error through. Every command runs inside
`one_line_errors`, which prints the error and chooses the exit code.

Exit codes: 0 done; 1 a failed seed or an error below; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from pipeline.base.masking import masked, one_line, printable


class UserError(Exception):
    """A mistake that the user can mend; its text names the value and what is allowed.

    Attributes:
        key: the configuration's key, such as `training.epochs`; empty if there is none.
    """

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__(text)
        self.key = key


class DataUnavailable(UserError):
    """The files of a data set cannot be obtained; its text says what was tried and what to do."""


class Failed(Exception):
    """Something failed without a mistake in the input; its text says what."""


def refuse(key: str, value: object, allowed: str) -> NoReturn:
    """Refuse a value; a password in it is not shown.

    Args:
        key: of the configuration, or the name of an option or a variable.
        value: what it has.
        allowed: a description of the values that it may have.

    Raises:
        UserError: always; it names all three.
    """
    text = masked(str(value))
    if "://" in text and re.search(r"\s", text):
        # A password with spaces would not be recognised, so all after :// is hidden.
        text = f"{text.partition('://')[0][:20]}://..."
    raise UserError(f"{key} = {one_line(text)}: allowed is {allowed}", key)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn any exception into one line on standard error and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Escape characters that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda message, *_, **__: f"warning: {printable(str(message))}\n"
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted; repeat the command to continue from what is complete", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":  # Hydra's own switch
            print(masked(traceback.format_exc()), end="", file=sys.stderr)
        print(f"error: {printable(describe(error))}", file=sys.stderr)
        raise SystemExit(2 if is_bad_input(error) else 1) from None


def describe(error: BaseException) -> str:
    """Return one line that says what is wrong, without a traceback."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r}: allowed is KEY=VALUE, such as training.epochs=5; quote a value "
            "with spaces or special characters twice, as in study=\"'a b'\""
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        options = ", ".join(error.options or ["none"])
        return f"{group}={name}: allowed is one of {options}{_extra(error.missing_cfg_file)}"
    cause = error.__cause__ if isinstance(error, HydraException) else error
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return f"{cause.full_key}: {str(cause.msg).strip().splitlines()[0]}"
    # Hydra appends its search path, over many lines.
    text = " ".join(str(error).partition("Config search path")[0].split())
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{text}{_room(error)}"
    if is_bad_input(error) or isinstance(error, Failed):
        return text
    if not text and error.__traceback__:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{last.line} ({last.filename}, line {last.lineno})"
    return f"{text or 'no message'} [{type(error).__name__}; HYDRA_FULL_ERROR=1 shows where]"


# Hydra's plugins that need an optional package, and the extra that installs it.
EXTRAS = {
    "hydra/launcher/submitit": "slurm",
    "hydra/launcher/ray": "ray",
    "hydra/sweeper/optuna": "optuna",
}


def _extra(missing: str) -> str:
    for start, extra in EXTRAS.items():
        if missing.startswith(start):
            return f"; `make launchers` or `pip install .[{extra}]` installs it"
    return ""


def _room(error: OSError) -> str:
    """Return how much space is free where a write failed."""
    if not isinstance(error.filename, str):
        return ""
    folder = os.path.dirname(os.path.abspath(error.filename))
    try:
        return f": {shutil.disk_usage(folder).free} bytes were free"
    except OSError:
        return ""


def is_bad_input(error: BaseException) -> bool:
    """Tell whether the user's input caused an error, so that the exit code is 2."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return isinstance(error, (UserError, HydraException, OmegaConfBaseException))

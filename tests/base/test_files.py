"""Files appear complete or not at all, and with the same bytes for the same content."""

import io
import math
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import UserError
from pipeline.base.files import (
    canonical_json,
    npz_bytes,
    parse_npz,
    read_json,
    sha256,
    write_bytes,
    write_csv,
    write_json,
)


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    write_bytes(path, b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "other").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_npz_archives_have_the_same_bytes_with_every_python() -> None:
    """The hash was taken with Python 3.11.2; 3.11.7's own `np.savez` gives another one."""
    arrays = {
        "W": np.arange(6, dtype=np.float32).reshape(2, 3),
        "names": np.array(["relu", "sigmoid"]),
        "scalar": np.array(1.5),
    }
    assert (
        sha256(npz_bytes(arrays))
        == "8ac7426c4b501ee8c9f3a8574f04a3a47b523d6455ec8ac3352192190d3ff919"
    )
    with np.load(io.BytesIO(npz_bytes(arrays)), allow_pickle=False) as archive:
        for name, array in arrays.items():
            np.testing.assert_array_equal(archive[name], array)


def test_npz_archives_hold_no_python_objects() -> None:
    with pytest.raises(TypeError, match="holds Python objects"):
        npz_bytes({"a": np.array([{}], dtype=object)})
    with pytest.raises(UserError, match="not a readable npz archive"):
        parse_npz(b"PK\x03\x04 no archive", name="x.npz")


def test_json_refuses_what_it_has_no_text_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": math.nan})
    assert not (tmp_path / "x.json").exists()


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"a": 1, "b": [1.5]}) == canonical_json({"b": [1.5], "a": 1})


def test_missing_and_broken_json_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing; `dvc repro` makes it"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        read_json(tmp_path / "x.json")


def test_tables_keep_every_digit_of_a_float(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-300, float(np.float32(1) / 3)]
    write_csv(tmp_path / "x.csv", ["value"], ([value] for value in values))
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert [float(line) for line in lines[1:]] == values

"""Stages that run in another checkout: its code, whatever the environment says."""

from pathlib import Path

import pytest

from pipeline.base.errors import Failed
from pipeline.base.processes import copy_code, python


def test_the_code_of_the_folder_runs_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pipeline", "conf"):
        (tmp_path / "there" / name).mkdir(parents=True)
    code = "import os; open('ran', 'w').write(os.environ.get('DVC_ROOT', 'nowhere else'))"
    (tmp_path / "there" / "pipeline" / "__init__.py").write_text(code)
    (tmp_path / "there" / "pipeline" / "stage.py").touch()
    copy_code(tmp_path / "there", tmp_path / "copy")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "there"))
    python(tmp_path / "copy", "pipeline.stage")
    assert (tmp_path / "copy" / "ran").read_text() == "nowhere else"
    assert not (tmp_path / "there" / "ran").exists()
    with pytest.raises(Failed, match=r"`python -m pipeline\.none` failed in "):
        python(tmp_path / "copy", "pipeline.none")


def test_a_copy_has_the_code_in_place_of_what_was_there(tmp_path: Path) -> None:
    for path in (
        "here/pipeline/a.py",
        "here/pipeline/__pycache__/a.pyc",
        "here/conf/c.yaml",
        "here/.dvc/config",
        "there/pipeline/b.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    # Emacs marks a file that is being edited by a link to nowhere.
    (tmp_path / "here/pipeline/.#a.py").symlink_to("me@here.1")
    copy_code(tmp_path / "here", tmp_path / "there", ".dvc/config", "params.yaml")
    files = {str(p.relative_to(tmp_path)) for p in (tmp_path / "there").rglob("*") if p.is_file()}
    assert files == {"there/pipeline/a.py", "there/conf/c.yaml", "there/.dvc/config"}

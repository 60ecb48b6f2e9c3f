"""The `dataclasses` backport is worked around: a Python started as Prefect starts its server loads the right module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relaionet.flows import environment


@pytest.fixture
def backport(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on the path in which `dataclasses` is the backport."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "dataclasses.py").write_text("BACKPORT = True\n")
    monkeypatch.setattr(environment.sysconfig, "get_paths", lambda: {"purelib": str(folder), "platlib": str(folder)})
    monkeypatch.setenv("RELAIONET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", "")
    return folder


def loads_backport(folder: Path) -> bool:
    """What Prefect's server does: put site-packages first, then import."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import dataclasses; print(hasattr(dataclasses, 'BACKPORT'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    return done.stdout.strip() == "True"


def test_backport_would_be_loaded_and_is_not_after_preparing(backport: Path) -> None:
    assert loads_backport(backport)
    environment.prepare_environment()
    assert not loads_backport(backport)


def test_nothing_is_changed_without_the_backport(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        environment.sysconfig, "get_paths", lambda: {"purelib": str(tmp_path), "platlib": str(tmp_path)}
    )
    monkeypatch.setenv("PYTHONPATH", "before")
    environment.prepare_environment()
    assert os.environ["PYTHONPATH"] == "before"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    environment.prepare_environment()
    assert os.environ["WANDB_MODE"] == "online"
    assert os.environ["DO_NOT_TRACK"] == "1"

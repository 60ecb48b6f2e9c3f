"""What is set before a flow starts, and what is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relaionet.flows.runs import environment
from relaionet.flows.terminal import doctor


def test_backport_is_found_and_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        environment.sysconfig, "get_paths", lambda: {"purelib": str(tmp_path), "platlib": str(tmp_path)}
    )
    assert environment.find_backport() is None
    assert doctor.check_backport().state == "ok"
    (tmp_path / "dataclasses.py").write_text("BACKPORT = True\n")
    finding = doctor.check_backport()
    assert finding.state == "note"
    assert str(tmp_path) in finding.found
    assert "pip uninstall dataclasses" in finding.to_do


@pytest.mark.parametrize(("version", "state"), [("0.150.0", "ok"), ("0.151.0", "problem"), ("1.0", "problem")])
def test_doctor_knows_which_fastapi_prefect_needs(version: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: version)
    assert doctor.check_fastapi().state == state


def test_doctor_never_shows_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://studio.example")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "the-secret")
    assert "the-secret" not in repr(doctor.check_studio_key())
    monkeypatch.delenv("LABEL_STUDIO_API_KEY")
    assert doctor.check_studio_key().state == "problem"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    environment.prepare_environment()
    assert os.environ["WANDB_MODE"] == "online"
    assert os.environ["DO_NOT_TRACK"] == "1"


PLACES = {
    "a profile": ("home/profiles.toml", '[profiles.mine]\nPREFECT_API_URL = "http://mine.example/api"\n'),
    "an .env file": (".env", "PREFECT_API_URL=http://mine.example/api\n"),
    "prefect.toml": ("prefect.toml", '[api]\nurl = "http://mine.example/api"\n'),
    "pyproject.toml": ("pyproject.toml", '[tool.prefect.api]\nurl = "http://mine.example/api"\n'),
}
ADDRESS = """
import sys
from relaionet.flows.runs.environment import server_address
print(server_address(), "prefect" in sys.modules)
"""


@pytest.mark.parametrize("place", [None, *PLACES])
def test_prefect_is_imported_only_where_it_may_name_a_server(place: str | None, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    said = "None False"
    if place is not None:
        name, text = PLACES[place]
        if place == "a profile":
            text = f'active = "mine"\n{text}'
        (tmp_path / name).write_text(text)
        said = "http://mine.example/api True"
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", ADDRESS], cwd=tmp_path, env=settings | {"PREFECT_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == said

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from relaionet.annotations.label_studio.installation import install_studio, is_installed, studio_command, studio_folder
from relaionet.annotations.label_studio.server import start_studio
from relaionet.annotations.label_studio.server_settings import read_credentials
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.machine import find_home
from tests.waiting import WATCHDOG_S, wait_until


def test_credentials_are_random_private_and_kept(tmp_path):
    first = read_credentials(tmp_path / "a")
    assert stat.S_IMODE((tmp_path / "a" / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert read_credentials(tmp_path / "a") == first
    other = read_credentials(tmp_path / "b")
    assert first["token"] != other["token"]
    assert first["password"] != other["password"]


def test_broken_credentials_say_what_to_do(tmp_path):
    (tmp_path / "credentials.json").write_text("{}")
    with pytest.raises(BadInput, match=r"move .* away to start anew"):
        read_credentials(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot use"):
        read_credentials(tmp_path / "file")


def test_not_installed_says_how_to(tmp_path):
    with pytest.raises(BadInput, match=r"relaionet review install"):
        start_studio(tmp_path / "studio", home=tmp_path / "home")
    assert not (tmp_path / "studio").exists()


def test_a_half_install_does_not_count(tmp_path):
    command = studio_command(tmp_path)
    command.parent.mkdir(parents=True)
    command.write_text("")
    assert not is_installed(tmp_path)
    (studio_folder(tmp_path) / ".relaionet-complete").write_text("made from another lock")
    assert not is_installed(tmp_path)


def test_home_is_the_callers_then_the_environments(tmp_path, monkeypatch):
    monkeypatch.setenv("RELAIONET_HOME", str(tmp_path / "there"))
    assert find_home() == tmp_path / "there"
    assert find_home(tmp_path) == tmp_path


def test_an_install_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Set RELAIONET_HOME"):
        install_studio(tmp_path / "file" / "home")


def start_guard(tmp_path, stdin=subprocess.PIPE):
    note = tmp_path / "pid"
    child = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(300)"
    guard = subprocess.Popen(
        [sys.executable, "-m", "relaionet.pipeline.child_process", sys.executable, "-c", child],
        stdin=stdin, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: note.exists() and note.read_text(), guard)
    return guard, int(note.read_text())


def gone(pid):
    return wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_the_guard_ends_the_server_when_told(tmp_path):
    guard, child = start_guard(tmp_path)
    assert psutil.pid_exists(child)
    guard.stdin.close()
    guard.wait(WATCHDOG_S)
    assert gone(child)


def test_the_guard_ends_the_server_when_its_parent_is_killed(tmp_path):
    script = f"""
import pathlib, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_server
guard, child = test_server.start_guard(pathlib.Path({str(tmp_path)!r}))
time.sleep(300)
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    note = tmp_path / "pid"
    for _ in range(600):
        if note.exists() and note.read_text():
            break
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait(20)
    assert gone(int(note.read_text()))


def test_the_lock_pins_every_version_and_names_no_index():
    from importlib.resources import files

    lines = files("relaionet.annotations.label_studio").joinpath("label_studio.lock").read_text().splitlines()
    assert "label-studio==1.23.2" in lines
    assert all("==" in line and "://" not in line and not line.startswith("-") for line in lines)
    assert json.dumps(lines).isascii()

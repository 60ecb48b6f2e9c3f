"""Two commands never work in one folder at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.manifests.errors import BadInput

HOLD = """
import sys, time
from pathlib import Path
from relaionet.flows.runs.folder_lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_held_until_its_process_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="another relaionet is at work"), hold_folder(folder):
            pass
    finally:
        other.kill()
        other.communicate()
    with hold_folder(folder):
        assert list(folder.iterdir()) == []
    with hold_folder(folder):
        pass

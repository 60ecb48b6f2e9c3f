"""Keys and passwords of a review are nowhere but where they belong, whatever a run writes, says or starts."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import psutil
import pytest
from PIL import Image

from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import TASKS
from tests.waiting import WATCHDOG_S

pytestmark = [pytest.mark.studio, pytest.mark.slow]


def make_run(root):
    """A curated run, as far as a review needs one."""
    run = Run(root=root)
    wnid = read_labels()[0].wnid
    rows = []
    for i in range(3):
        (run.images / "a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (80 * i, 9, 9)).save(run.images / "a" / f"{i}.png")
        one = hashlib.sha256(f"secret {i}".encode()).hexdigest()
        rows.append({"candidate_id": one, "wnid": wnid, "top_wnids": [wnid], "path": f"a/{i}.png", "caption": "x"})
    write_run_record(root, CurateRecipe(name="secrets", source="none"))
    run.store.write(make_tasks(pl.DataFrame(rows)), TASKS, "digest", shard="round1")
    return root


def command_lines():
    lines = []
    for process in psutil.process_iter():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return "\n".join(lines)


def test_no_secret_is_written_said_or_passed_on_a_command_line(studio, tmp_path):
    root = make_run(tmp_path / "run")
    secrets = [studio.token, studio.password, "f" * 40]
    said = ""
    for key, command in (
        (studio.token, "push"), (studio.token, "pull"), (studio.token, "status"), ("f" * 40, "push"),
    ):  # fmt: skip
        done = subprocess.run(
            [str(Path(sys.executable).with_name("relaionet")), "--verbose", "review", command, "--run", str(root)],
            env={**os.environ, "LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": key, "HOME": str(tmp_path),
                 "PREFECT_HOME": str(tmp_path / "prefect")},
            capture_output=True, text=True, timeout=WATCHDOG_S, check=False,
        )  # fmt: skip
        said += done.stdout + done.stderr
        assert (done.returncode == 0) == (key == studio.token), done.stderr
    assert "refuses the key" in said
    assert "3 pushed" in said
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "pulled.json" for path in files)
    files.append(studio.folder / "label-studio.log")
    processes = command_lines()
    for secret in secrets:
        assert secret not in said
        assert secret not in processes
        for path in files:
            assert secret.encode() not in path.read_bytes(), path

"""clip-retrieval in an environment of its own, for the contract test.

`python -m tests.contract.clip_retrieval_environment` makes it where it is not yet. clip-retrieval pins numpy<2 and
pyarrow<16. Every package it imports is installed as `clip_retrieval.lock` pins it, except torch and torchvision
(gigabytes), which it takes from this project's environment, behind its own packages on the path. The lock is made with

    printf 'clip-retrieval==2.45.0\\nsetuptools<81\\n' > in.txt
    printf "%s; python_version < '3'\\n" torch torchvision img2dataset > overrides.txt
    uv pip compile in.txt --override overrides.txt --universal --python-version 3.11 --no-emit-index-url \\
        --no-emit-find-links --no-header --no-annotate -o tests/contract/clip_retrieval.lock

(img2dataset is imported by its other commands only, and brings a module that shadows the standard library's.)
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from relaionet.pipeline.machine import find_home

VERSION = "2.45.0"
LOCK = Path(__file__).with_name("clip_retrieval.lock")
LAST_PYTHON = (3, 12)  # the last that numpy 1.26 and pyarrow 15 were built for
TORCH = "RELAIONET_TORCH"
# a line that starts with import is run when Python starts; appended, so that torch's neighbours never go first
PATH_FILE = f'import os, sys; sys.path += [path for path in [os.environ.get("{TORCH}")] if path]\n'


class NotHere(Exception):
    """clip-retrieval cannot be installed on this machine."""


def environment_python() -> Path:
    """Its Python, whether or not it is installed."""
    name = f"clip-retrieval-{VERSION}-py{sys.version_info.major}{sys.version_info.minor}"
    return find_home() / name / "bin" / "python"


def environment_variables() -> dict[str, str]:
    """What its processes are started with: this environment's torch, no hub, nothing of the caller's Python."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    quiet = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false"}
    return {**kept, **quiet, TORCH: str(Path(spec.origin).parents[1])}


def install_clip_retrieval() -> Path:
    """Make the environment unless it is complete; returns its Python.

    Raises:
        NotHere: this Python is too new for it, or a package cannot be had.
    """
    if sys.version_info[:2] > LAST_PYTHON:
        raise NotHere(f"clip-retrieval {VERSION} needs numpy<2, which was never built for Python {sys.version[:4]}")
    python = environment_python()
    folder, digest = python.parents[1], hashlib.sha256(LOCK.read_bytes() + PATH_FILE.encode()).hexdigest()
    marker = folder / ".complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not (python.exists() and marker.exists() and marker.read_text() == digest):
            print(f"installing clip-retrieval {VERSION} into {folder} (once, about a minute)", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
            # without bytecode: a tenth of it is ever imported
            _run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "-r", str(LOCK))
            site = _run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
            (Path(site) / "relaionet_torch.pth").write_text(PATH_FILE)
            marker.write_text(digest)
    return python


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment_variables(), check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise NotHere(f"{Path(command[0]).name} {command[2]}: {' '.join(lines[-2:])[:300]}")
    return done.stdout


if __name__ == "__main__":
    try:
        install_clip_retrieval()
    except NotHere as error:  # its test says so again and is skipped
        print(f"no clip-retrieval here: {error}", file=sys.stderr)

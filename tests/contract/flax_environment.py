"""flax and orbax in an environment of their own, for the contract test of converted checkpoints.

`python -m tests.contract.flax_environment` makes it where it is not yet: the versions that iMF's authors name, and
beside it orbax 0.4.4, which MeanFlow's authors name. `flax.lock` is made with

    printf '%s\\n' jax==0.4.27 jaxlib==0.4.27 flax==0.8.5 orbax-checkpoint==0.6.4 ml-dtypes==0.5.0 \\
        tensorstore==0.1.67 'scipy<1.14' 'numpy<2' > in.txt
    uv pip compile in.txt --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header \\
        --no-annotate -o tests/contract/flax.lock
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from relaionet.pipeline.machine import find_home

VERSION = "0.8.5"
OLD_ORBAX = "0.4.4"
LOCK = Path(__file__).with_name("flax.lock")
SCRIPT = Path(__file__).with_name("flax_networks.py")
LAST_PYTHON = (3, 12)  # the last that jaxlib 0.4.27 was built for
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "PIP_CONFIG_FILE", "PIP_CACHE_DIR", "SSL_CERT_FILE")


class NotHere(Exception):
    """flax cannot be installed on this machine."""


def environment_folder() -> Path:
    """Where it is, whether or not it is installed."""
    return find_home() / f"flax-{VERSION}-py{sys.version_info.major}{sys.version_info.minor}"


def install_flax() -> Path:
    """Make the environment unless it is complete; returns its Python.

    Raises:
        NotHere: this Python is too new for it, or a package cannot be had.
    """
    if sys.version_info[:2] > LAST_PYTHON:
        raise NotHere(f"jaxlib 0.4.27 was never built for Python {sys.version[:4]}")
    folder, digest = environment_folder(), hashlib.sha256(LOCK.read_bytes() + OLD_ORBAX.encode()).hexdigest()
    python, marker = folder / "bin" / "python", folder / ".complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not (python.exists() and marker.exists() and marker.read_text() == digest):
            print(f"installing flax {VERSION} into {folder} (once, about half a minute)", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
            pip = (str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile")
            _run(*pip, "-r", str(LOCK))
            _run(*pip, "--target", str(folder / "old-orbax"), f"orbax-checkpoint=={OLD_ORBAX}")
            marker.write_text(digest)
    return python


def save_checkpoint(python: Path, network: str, form: str, folder: Path, kind: str = "float32") -> Path:
    """A checkpoint of one of `flax_networks`' networks, and what it answers, in `folder`."""
    variables = {"JAX_PLATFORMS": "cpu"} | ({"PYTHONPATH": str(folder_of_old_orbax())} if form == "folder" else {})
    _run(str(python), str(SCRIPT), network, form, str(folder), kind, **variables)
    return folder


def folder_of_old_orbax() -> Path:
    """The orbax that goes before the environment's own where it is on the path."""
    return environment_folder() / "old-orbax"


def _run(*command: str, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("PIP_")}
    done = subprocess.run(command, capture_output=True, text=True, env={**kept, **variables}, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise NotHere(f"{Path(command[0]).name} {command[2]}: {' '.join(lines[-2:])[:300]}")
    return done.stdout


if __name__ == "__main__":
    try:
        install_flax()
    except NotHere as error:  # its test says so again and is skipped
        print(f"no flax here: {error}", file=sys.stderr)

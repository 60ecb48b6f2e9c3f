"""Label Studio in an environment of its own, with every version pinned by `label_studio.lock`.

Its requirements do not fit beside this project's, so it never shares an environment with it. The environment is made
once per machine, under RELAIONET_HOME or the user's cache folder, and counts as made when its marker (the digest of
the lock) is there: the marker is written last, so a half install is made again.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.pipeline.child_process import environment_with, run_to_end
from relaionet.pipeline.machine import find_home

STUDIO_VERSION = "1.23.2"
INSTALL_TAKES = "one to two minutes and 1 GB"
_MARKER = ".relaionet-complete"
_EMPTY = "empty.sqlite3"


def studio_folder(home: Path | None = None) -> Path:
    """Folder of Label Studio's own environment."""
    return find_home(home) / f"label-studio-{STUDIO_VERSION}"


def studio_command(home: Path | None = None) -> Path:
    """Path of the `label-studio` command in its environment, whether or not it is installed."""
    scripts = "Scripts" if sysconfig.get_platform().startswith("win") else "bin"
    return studio_folder(home) / scripts / "label-studio"


def _lock_text() -> str:
    return files("relaionet.annotations.label_studio").joinpath("label_studio.lock").read_text(encoding="utf-8")


def _digest() -> str:
    return hashlib.sha256(_lock_text().encode()).hexdigest()


def is_installed(home: Path | None = None) -> bool:
    """True when the environment is complete and was made from the lock of this version of the project."""
    marker, command = studio_folder(home) / _MARKER, studio_command(home)
    # its Python is a link to the one that made it, which may be gone since
    there = marker.exists() and command.exists() and command.with_name("python").exists()
    return there and marker.read_text().strip() == _digest()


def empty_database(home: Path | None = None) -> Path:
    """Database of a server nobody has used yet, whether or not it was made: a copy saves a new server half a minute."""
    return studio_folder(home) / _EMPTY


def _run(command: list[str], what: str, **variables: str) -> None:
    # an active environment of the caller must not leak into the new one
    environment = environment_with(
        {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "DO_NOT_TRACK": "1", **variables},
        dropped=("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"),
    )
    done = run_to_end(command, environment)
    if done.code:
        lines = [line for line in done.errors.splitlines() if line.strip() and not line.startswith("WARNING")]
        tail = "\n".join(lines[-5:])
        raise Unavailable(
            f"{what} failed (exit {done.code}). Check the network and the package index, then run it again.\n" + tail
        )


def install_studio(home: Path | None = None, progress: Callable[[str], None] | None = None) -> Path:
    """Make Label Studio's environment unless it is complete.

    Two callers at once are safe: the second waits and finds it made.

    Args:
        home: where to make it; see `find_home`.
        progress: told in words what is going on; called only when there is something to do.

    Returns:
        Path of the `label-studio` command.

    Raises:
        BadInput: the folder cannot be written.
        Unavailable: the packages could not be fetched or installed.
    """
    from filelock import FileLock

    folder = studio_folder(home)
    if is_installed(home) and empty_database(home).exists():
        return studio_command(home)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not is_installed(home):
                _make_environment(folder, progress or (lambda _: None))
            if not empty_database(home).exists():
                _make_database(folder)
    except OSError as error:
        raise BadInput(
            f"cannot install Label Studio under {folder.parent}: {error}. "
            "Set RELAIONET_HOME to a folder with 1 GB free."
        ) from None
    return studio_command(home)


def _make_environment(folder: Path, progress: Callable[[str], None]) -> None:
    progress(f"installing Label Studio {STUDIO_VERSION} into {folder} (once, {INSTALL_TAKES})")
    if folder.exists():
        shutil.rmtree(folder)
    _run([sys.executable, "-m", "venv", str(folder)], "making an environment for Label Studio")
    lock = folder / "label_studio.lock"
    lock.write_text(_lock_text(), encoding="utf-8")
    python = studio_command(folder.parent).with_name("python")
    _run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(lock)],
        f"installing Label Studio {STUDIO_VERSION}",
    )
    (folder / _MARKER).write_text(_digest() + "\n")


def _make_database(folder: Path) -> None:
    """Let Label Studio make its database once, without any user in it."""
    with tempfile.TemporaryDirectory(dir=folder) as data:
        settings = {
            "BASE_DATA_DIR": data,
            "SENTRY_DSN": "",
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
        }
        variables = {f"LABEL_STUDIO_{name}": value for name, value in settings.items()} | {"HOME": data}
        _run([str(studio_command(folder.parent)), "version"], "making Label Studio's database", **variables)
        (Path(data) / "label_studio.sqlite3").replace(folder / _EMPTY)

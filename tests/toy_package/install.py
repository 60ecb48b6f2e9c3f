"""Installs the toy package into a folder, as pip would, so that its entry points are found here and in child processes.

No network and no build: the package's files, and the two files of metadata that `importlib.metadata` reads.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = "relaionet_toy"


def install_toy(folder: Path) -> Path:
    """Put the package and its metadata into a folder; put that folder on the path to have it installed."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(HERE / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    metadata = folder / f"{PACKAGE}-{project['version']}.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in points.items()), ""]
    metadata.joinpath("entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@contextmanager
def toy_installed(tmp_path: Path) -> Iterator[Path]:
    """Within it the toy package is installed, in this process and in those it starts; afterwards it is not.

    Args:
        tmp_path: a folder of the test; the package goes into `site/` in it.
    """
    folder = install_toy(tmp_path / "site")
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([path] if path else [])])
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        importlib.invalidate_caches()

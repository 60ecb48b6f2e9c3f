"""The small run, release, split and evaluation that the examples in docstrings speak of."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).parents[2] / "fixtures" / "made_by_57e12d1.tar.xz"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with curate.toml, run, release, split, evaluate.toml and evaluation, of the miniature."""
    folder = tmp_path_factory.mktemp("face")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (folder / "made" / "release").symlink_to(folder / "made" / "run" / "releases", target_is_directory=True)
    return folder / "made"

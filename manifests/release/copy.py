"""A release kept beside what was made from it, so that each of its rows can be told about without the release."""

from __future__ import annotations

import shutil
from pathlib import Path

from relaionet.manifests.release.info import INFO_FILE, read_info
from relaionet.manifests.release.release import Release
from relaionet.manifests.replacing import discard, replacing

RELEASE_FOLDER = "release"  # within a split


def copy_release(release: Release, folder: Path) -> None:
    """Copy a release, file by file, unless the folder holds it already.

    Args:
        release: that was read and checked.
        folder: becomes a release like the other; an older copy of another one is replaced.
    """
    if (folder / INFO_FILE).is_file() and read_info(folder).digest == release.info.digest:
        return
    discard(folder)
    with replacing(folder) as part:
        part.mkdir()
        for name in (*release.info.files, INFO_FILE):
            # what a maker left out after the release was made is missing there too
            if (release.path / name).is_file():
                shutil.copyfile(release.path / name, part / name)

"""A server's folder and Label Studio's version: saved before a newer one changes the database, refused by an older one.

Label Studio migrates its database when it starts and cannot go back. `version.json` says which version ran last.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from relaionet.annotations.label_studio.installation import STUDIO_VERSION
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import write_json
from relaionet.manifests.replacing import replacing

DATABASE = Path("data") / "label_studio.sqlite3"


def read_version(folder: Path) -> str | None:
    """Version of the Label Studio that last ran for a folder; None where none did, or none that said so."""
    try:
        return str(json.loads((folder / "version.json").read_text())["label_studio"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def note_version(folder: Path, version: str = STUDIO_VERSION) -> None:
    """Say which version the folder's database belongs to now."""
    write_json(folder / "version.json", {"label_studio": version})


def prepare_folder(folder: Path, version: str = STUDIO_VERSION) -> Path | None:
    """Make a folder ready for a version of Label Studio, before that version first opens its database.

    Args:
        folder: of the server.
        version: that is to run.

    Returns:
        Where the database was saved, if an older version ran last; None where nothing had to be done.

    Raises:
        BadInput: a newer version ran last.
        Corrupt: the database cannot be read.
    """
    last = read_version(folder)
    if not (folder / DATABASE).exists() or last is None or last == version:
        return None
    if _order(last) > _order(version):
        raise BadInput(
            f"{folder} belongs to Label Studio {last}; this installation has {version}, which cannot read a newer "
            f"database. Install the newer release of reLAIONet again, or put back a database from {folder / 'backups'} "
            f"(as {folder / DATABASE}, with version.json removed)."
        )
    return save_database(folder, last)


def save_database(folder: Path, version: str) -> Path:
    """Copy the database as it is at this moment, also while a server writes it; the path of the copy.

    Raises:
        Corrupt: it is no sound database.
    """
    place = folder / "backups"
    place.mkdir(mode=0o700, exist_ok=True)
    copy = place / f"label_studio-{version}-{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite3"
    try:
        with replacing(copy) as part:
            with (
                contextlib.closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as source,
                contextlib.closing(sqlite3.connect(part)) as target,
            ):
                source.backup(target)
                (sound,) = target.execute("PRAGMA quick_check").fetchone()
            if sound != "ok":
                raise Corrupt(f"{folder / DATABASE} is damaged: {sound}. Nothing was changed.")
            part.chmod(0o600)
    except sqlite3.Error as error:
        raise Corrupt(f"{folder / DATABASE} cannot be saved: {error}. Nothing was changed.") from None
    return copy


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))

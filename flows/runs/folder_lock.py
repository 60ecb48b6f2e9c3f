"""One command at a time in a run's folder: two would write the same tables and fetch into the same ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relaionet.manifests.errors import BadInput
from relaionet.manifests.places import check_place
from relaionet.manifests.replacing import drop_parts


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep a folder to this process while inside; it is made where it is missing.

    What a process that was killed was writing in it is removed.

    The system lets go of it when the process ends, however that comes about. Where it knows no locks on folders
    (Windows, some network file systems), nothing is held.

    Raises:
        BadInput: another process holds it, or it is no folder of this machine.
    """
    check_place(folder, "folder")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        drop_parts(folder)
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"another relaionet is at work in {folder}; wait for its end, or choose another folder."
            ) from None
        except OSError:  # this file system has no locks
            pass
        drop_parts(folder)
        yield
    finally:
        os.close(handle)

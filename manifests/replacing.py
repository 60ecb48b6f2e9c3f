"""How a file or folder is written whole or not at all, and nothing is left of what was interrupted.

What is written has a name of its own beside its place until it is whole, `<name>.<host>-<pid>-<number>.part`. Whatever
ends the writing (a full disk, Ctrl-C, an error) takes it away; where the process was killed, the next run in the folder
does.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PART = re.compile(r".+\.(?:(?P<host>[0-9a-f]{6})-)?(?P<pid>\d+)(?:-\d+)?\.part")
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
FOREIGN_S = 24 * 3600.0  # after which what another machine, which cannot be asked, left behind counts as left
_STARTED_S = time.time()


_NUMBERS = itertools.count()


def part_of(path: Path) -> Path:
    """A name beside a path to write it under, another one each time."""
    return path.with_name(f"{path.name}.{HOST}-{os.getpid()}-{next(_NUMBERS)}.part")


@contextmanager
def replacing(path: Path, *, within: Path | None = None) -> Iterator[Path]:
    """Write a file or a folder under another name, which becomes `path` at the end of the block.

    Whatever is raised in the block, nothing is left of what was written, and `path` is as it was.

    Args:
        path: of the file, or of a folder that does not exist or is empty; its own folder is made.
        within: folder to write in meanwhile, on the same disk; None is that of the path.

    Yields:
        The name to write under, which nothing has yet.
    """
    part = part_of(path if within is None else within / path.name)
    for folder in {path.parent, part.parent}:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        part.replace(path)
    finally:
        discard(part)


def discard(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def drop_parts(folder: Path, *, below: bool = True) -> int:
    """Remove what processes that are gone were writing when they were killed.

    Args:
        folder: where to look.
        below: in the folders in it too.

    Returns:
        How many files and folders were removed.
    """
    count = 0
    for place, folders, files in os.walk(folder):
        parts = [name for name in (*folders, *files) if name.endswith(".part")]
        for name in parts:
            if _is_left(Path(place, name)):
                with contextlib.suppress(OSError):
                    discard(Path(place, name))
                    count += 1
        _keep(folders, parts if below else folders)
    return count


def _keep(folders: list[str], without: Iterable[str]) -> None:
    """Let `os.walk` go on into the others."""
    left_out = set(without)
    folders[:] = [name for name in folders if name not in left_out]


def _is_left(part: Path) -> bool:
    """Whether nobody writes it any more."""
    found = PART.fullmatch(part.name)
    if found is None:
        return False
    try:
        written_s = part.lstat().st_mtime
    except OSError:
        return False
    if found["host"] != HOST or os.name != "posix":
        return written_s < time.time() - FOREIGN_S
    pid = int(found["pid"])
    return written_s < _STARTED_S if pid == os.getpid() else not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's
        return True
    return True

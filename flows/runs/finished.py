"""What a finished flow rested on, so that the same command says so at once, without models and without Prefect.

The stages decide by digests whether they are done, which needs the run's models. What is noted here is only ever a
shorter way to the same answer: as git does with its index, a file counts as unchanged while its size, its times and its
inode are those noted, the time of its last change (ctime) among them, which no program can set back. Anything else, and
the stages are asked.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from relaionet.flows.runs.run import Run, StageCount
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import counted_fields, digest_of, read_json_object, write_json

NOTED = "finished.json"
OWN_CODE = Path(__file__).resolve().parents[2]
ROOMS = ("manifests", "pipeline", "annotations", "evaluators", "flows")
PASSED_BY = frozenset({NOTED, "studio", "__pycache__"})  # logs and a server's database, which no stage reads


@dataclass(frozen=True, kw_only=True)
class Rests:
    """What a flow is about to rest on, looked at before it starts: what changes meanwhile counts as changed.

    Attributes:
        flow: its name.
        digest: of its settings, of every file and folder they name, of the code and of the packages installed.
    """

    flow: str
    digest: str


def rests_on(flow: str, settings: Any, more: Iterable[Path] = (), **options: Any) -> Rests | None:
    """Look at all that a flow rests on.

    Args:
        flow: its name.
        settings: its recipe: every path in it is looked at, with all that lies below.
        more: further files and folders.
        **options: other things that change what comes of it.

    Returns:
        None where that cannot be known here: a model of the Hub, a package or a file of somebody else's code.
    """
    leaves = list(_leaves(settings))
    if any(leaf.startswith("hf-hub:") or _is_code(leaf) for leaf in leaves) or _has_plugins():
        return None
    named = {Path(leaf.removeprefix("local-dir:")).expanduser() for leaf in leaves}
    # open_clip's `model/file with weights`
    named |= {Path(leaf.partition("/")[2]) for leaf in leaves if "/" in leaf}
    places = sorted({*named, *more} - {Path()})
    code = [describe_tree(OWN_CODE / room) for room in ROOMS]
    folders = {Path(sysconfig.get_paths()[key]) for key in ("purelib", "platlib")}
    packages = sorted(path.name for folder in folders for path in folder.iterdir())
    seen = [(str(place), describe_tree(place)) for place in places if _is_there(place)]
    return Rests(flow=flow, digest=digest_of(flow, settings, options, seen, code, packages, sys.version))


def _leaves(value: Any) -> Iterator[str]:
    """Every text and path of a recipe."""
    if is_dataclass(value):
        value = counted_fields(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, str | Path):
        yield str(value)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)


def _is_code(leaf: str) -> bool:
    """True for `package.module:factory` and `file.py:factory`: what such code rests on, nobody knows."""
    module, colon, name = leaf.removeprefix("local-dir:").rpartition(":")
    return bool(colon) and name.isidentifier() and (module.endswith(".py") or module.replace(".", "_").isidentifier())


def _has_plugins() -> bool:
    """True where another package adds screens, metrics, generators and the like: its code may be edited in place."""
    return any(group.startswith("relaionet.") for group in metadata.entry_points().groups)


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except (OSError, ValueError):  # a long text is no path
        return False


def describe_tree(place: Path) -> str:
    """Digest of the names, sizes, times and inodes of a file, or of everything below a folder.

    Args:
        place: a file or a folder; links are followed as far as a file or folder they name themselves.
    """
    found = sha256()
    for path, about in sorted(_walk(os.fspath(place), "")):
        found.update(f"{path}\0{about}\n".encode(errors="surrogateescape"))
    return found.hexdigest()


def _walk(place: str, name: str) -> Iterator[tuple[str, str]]:
    if not os.path.isdir(place):  # noqa: PTH112  a Path for each of a million files takes longer than looking at them
        yield name, _about(os.stat(place)) if os.path.exists(place) else "gone"  # noqa: PTH110, PTH116
        return
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name in PASSED_BY or entry.name.endswith(".lock"):
                continue
            below = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, below)
            else:
                yield below, _about(entry.stat(follow_symlinks=False))
                if entry.is_symlink():
                    yield from _walk(entry.path, f"{below} ->")


def _about(stat: os.stat_result) -> str:
    return f"{stat.st_mode} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def note_finished(run: Run, rests: Rests | None, **more: Any) -> None:
    """Note that a flow came to its end, with what it counted.

    Args:
        run: what it made.
        rests: from before it started; None notes nothing.
        **more: what to say of it, as JSON.
    """
    if rests is None:
        (run.root / NOTED).unlink(missing_ok=True)
        return
    counts = [asdict(one) for one in run.counts]
    made = describe_tree(run.root)
    write_json(run.root / NOTED, {"flow": rests.flow, "rests_on": rests.digest, "made": made, "counts": counts, **more})


def find_finished(run: Run, rests: Rests | None, headline: str) -> dict[str, Any] | None:
    """What was noted, where nothing has changed since; the run then has the counts, and they are said.

    Args:
        run: a run that may be finished, its folder held.
        rests: what the flow would rest on now.
        headline: said before the counts.
    """
    try:
        noted = read_json_object(run.root / NOTED)
    except (BadInput, Corrupt):
        return None
    if rests is None or noted.get("flow") != rests.flow or noted.get("rests_on") != rests.digest:
        return None
    if noted.get("made") != describe_tree(run.root):
        return None
    run.reporter.headline(headline)
    for about in noted["counts"]:
        count = StageCount(**{**about, "done": True})
        run.note(count.stage, count.rows_in, count.statuses, count.reasons, count.seconds, count.stage)
    return noted

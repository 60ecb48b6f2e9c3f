"""This machine: its memory, free and used at most, and the folder for what is made once on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FREE_FRAC = 0.5
UNKNOWN_BYTES = 2 << 30  # where the system says nothing
# of the container, which psutil does not know
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def memory_budget(stated_bytes: int = 0) -> int:
    """Bytes a search may hold: those stated, or half of what is free on this machine where 0 is.

    Args:
        stated_bytes: budget; 0 asks the machine.
    """
    return stated_bytes or int(FREE_FRAC * free_bytes())


def free_bytes() -> int:
    """Bytes that can be allocated without swapping: of the machine, or of the container where that is less."""
    found = [_free_of_machine(), *(_free_of_cgroup(*paths) for paths in CGROUPS)]
    return min((count for count in found if count is not None), default=UNKNOWN_BYTES)


def _free_of_machine() -> int | None:
    import psutil

    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError):  # a system that does not say
        return None


def _free_of_cgroup(limit: str, used: str) -> int | None:
    try:
        return max(0, int(Path(limit).read_text(encoding="ascii")) - int(Path(used).read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such group, or "max"
        return None


def find_home(home: Path | None = None) -> Path:
    """Folder for what is made once per machine: `home`, else RELAIONET_HOME, else the user's cache folder."""
    if home is not None:
        return home
    if os.environ.get("RELAIONET_HOME"):
        return Path(os.environ["RELAIONET_HOME"])
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("relaionet"))


def peak_memory_bytes() -> dict[str, int]:
    """Bytes at most, by place: `process` (resident) and each CUDA device torch was used on."""
    found: dict[str, int] = {}
    try:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        found["process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    except ImportError:  # Windows has no such module
        pass
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        for place in range(torch.cuda.device_count()):
            found[f"cuda:{place}"] = int(torch.cuda.max_memory_allocated(place))
    return found


def largest(peaks: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The most that any of several processes held, by place."""
    places = dict.fromkeys(place for one in peaks for place in one)
    return {place: max(one.get(place, 0) for one in peaks) for place in places}

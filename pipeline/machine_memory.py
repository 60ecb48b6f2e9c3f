"""How much memory a search may take: what the caller states, or half of what this machine has free."""

from __future__ import annotations

import os
from pathlib import Path

FREE_FRAC = 0.5
UNKNOWN_BYTES = 2 << 30  # where the system says nothing
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
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def _free_of_cgroup(limit: str, used: str) -> int | None:
    try:
        return max(0, int(Path(limit).read_text(encoding="ascii")) - int(Path(used).read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such group, or "max"
        return None

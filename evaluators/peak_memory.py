"""The most memory this process and its devices have held."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence


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

"""What is dear to make, such as a model: made once by whoever asks first, kept by whoever owns it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import RLock
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Loaded:
    """Things by key, each made once, however many threads ask for it at the same time.

    It is owned by the flow that made it and gone with it. Sent to a worker of a cluster it takes nothing along: there
    it is the worker's own, which outlives a shard, so that every worker loads a model once and not for each shard.
    """

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._making = RLock()  # shards at work at once must not load a model each

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` gives, made by the first who asks for it.

        Args:
            key: digest of all that it depends on.
            make: makes it; may itself ask for other things.
        """
        with self._making:
            if key not in self._made:
                self._made[key] = make()
            return cast("T", self._made[key])

    def alone(self, key: str, make: Callable[[], T]) -> T:
        """The same for what is so large that it has to be the only one: whatever else is held is let go first."""
        with self._making:
            if key not in self._made:
                self._made.clear()
            return self.once(key, make)

    def __reduce__(self) -> tuple[Callable[[], Loaded], tuple[()]]:
        return of_worker, ()


@cache
def of_worker() -> Loaded:
    """What this process holds as a worker of a cluster; the cluster ends the process with the flow it works for."""
    return Loaded()

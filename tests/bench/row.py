"""One line of the benchmark table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """Ours against a peer, measured in one run.

    Attributes:
        name: of the benchmark.
        ours: our figure.
        peer: the peer's figure, in the same unit.
        goal: what the ratio ours / peer must reach: ">=3" or "<=1.1".
        unit: of both figures, and what the peer is.
    """

    name: str
    ours: float
    peer: float
    goal: str
    unit: str

    @property
    def ratio(self) -> float:
        """Ours / peer."""
        return self.ours / self.peer

    @property
    def met(self) -> bool:
        """True where the ratio reaches the goal."""
        bound = float(self.goal[2:])
        return self.ratio >= bound if self.goal.startswith(">=") else self.ratio <= bound

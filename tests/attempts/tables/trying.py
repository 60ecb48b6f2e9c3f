"""A table is read as a source, and what became of its rows is counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.candidates.stream import read_candidates
from tests.attempts.attempt import Attempt

SHOWN_BYTES = 120


@dataclass(frozen=True, kw_only=True)
class TableAttempt:
    """A table and what must become of it.

    Attributes:
        kind: heading it stands under.
        name: what is wrong with it.
        file: name of the file.
        content: its bytes.
        outcome: rows by status, or "refused: " and a part of the message.
        shown: its telling part; None shows its start.
    """

    kind: str
    name: str
    file: str
    content: bytes
    outcome: str
    shown: str | None = None

    def attempt(self) -> Attempt:
        """As one of all attempts."""
        shown = self.shown or self.content[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        return Attempt(name=self.name, kind=self.kind, input_shown=shown, expected=self.outcome, run=self.run)

    def run(self, folder: Path) -> str:
        """Read it in a folder; what happened."""
        path = folder / self.file
        path.write_bytes(self.content)
        happened = read_table(path)
        if self.outcome.startswith("refused: "):
            assert happened.startswith(f"refused: {path}: "), happened
            assert self.outcome.removeprefix("refused: ") in happened, happened
        else:
            assert happened == self.outcome, happened
        return self.outcome


def read_table(path: Path) -> str:
    """Rows by status, or why it was refused."""
    try:
        rows = read_candidates(path, CandidatesConfig(min_side_px=1))
    except BadInput as error:
        return f"refused: {error}"
    counts = rows.group_by("status").len().sort("status").rows()
    assert rows["source_row"].to_list() == list(range(rows.height))
    assert rows.filter(pl.col("status") != "ok")["reason"].null_count() == 0
    told = ", ".join(f"{count} {status}" for status, count in counts)
    return f"{rows.height} rows: {told}" if told else "0 rows"

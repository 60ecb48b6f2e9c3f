"""What a comparison leaves in its folder: tables, facts, the section of a card, statistics; the page comes on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.evaluators.comparison.compare import VERSION, CompareConfig
from relaionet.evaluators.protocols import Protocol
from relaionet.manifests.files import write_atomic, write_json
from relaionet.manifests.release.comparisons import ROW_KEYS, tell_comparison
from relaionet.manifests.store import csv_bytes, write_parquet

TABLE, FACTS, CARD = "shifts", "comparison.json", "card.md"


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared:
    """What came of a comparison.

    Attributes:
        rows: SHIFTS.
        drawn: sentences on what was drawn of what.
        lacks: sentences on what is missing, and what is therefore not said.
        facts: as `comparison.json` holds them, and as they may stand among a release's notes.
        page: where the page is.
        release: the version of the release whose card holds the numbers; None where none was asked for.
    """

    rows: pl.DataFrame
    drawn: tuple[str, ...]
    lacks: tuple[str, ...]
    facts: Mapping[str, Any]
    page: Path
    release: Path | None = None


def describe_facts(
    rows: pl.DataFrame, *, names: Sequence[str], digests: Sequence[str], words: Sequence[str], drawn: Sequence[str],
    lacks: Sequence[str], made_with: Mapping[str, str], protocol: Protocol, config: CompareConfig, is_miniature: bool,
) -> dict[str, Any]:  # fmt: skip
    """What `comparison.json` holds; nothing of this machine and no time, so that the same gives the same.

    Args:
        rows: SHIFTS.
        names: of A and B.
        digests: of their content.
        words: what they are.
        drawn: what was drawn.
        lacks: what is missing.
        made_with: representation -> digest of the extractor and of how pictures were read for it.
        protocol: how they were read.
        config: how they were compared.
        is_miniature: the sets are the miniature's.
    """
    wholes = rows.filter(part="").select(ROW_KEYS).to_dicts()
    return {
        "version": VERSION, "one": names[0], "other": names[1], "digests": dict(zip("AB", digests, strict=True)),
        "sets": dict(zip("AB", words, strict=True)), "protocol": protocol.name, "made_with": dict(made_with),
        "mix": config.mix, "draws": config.draw.draws, "count": config.draw.count, "seed": config.draw.seed,
        "k": config.k, "is_miniature": is_miniature, "drawn": list(drawn), "lacks": list(lacks), "rows": wholes,
    }  # fmt: skip


def write_results(out: Path, rows: pl.DataFrame, facts: Mapping[str, Any]) -> None:
    """Write `shifts.parquet`, `shifts.csv`, `comparison.json` and `card.md`.

    Args:
        out: folder of the comparison.
        rows: SHIFTS.
        facts: from `describe_facts`.
    """
    write_parquet(out / f"{TABLE}.parquet", rows)
    write_atomic(out / f"{TABLE}.csv", csv_bytes(rows))
    write_json(out / FACTS, facts)
    write_atomic(out / CARD, f"{tell_comparison(facts)}\n".encode())

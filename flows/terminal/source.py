"""What a source is and what its first rows would become, before a run is begun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from relaionet.flows.tracing.values import show_value
from relaionet.manifests.tables import ALIVE, CANDIDATES
from relaionet.manifests.words import say_count
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.candidates.stream import ReadState, stream_candidates
from relaionet.pipeline.sources.read import Source, open_source

EXAMPLES_COUNT, ALIVE_EXAMPLES_COUNT = 3, 8


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A source looked at.

    Attributes:
        source: its files, schemas and rows.
        rows: CANDIDATES of its first rows.
    """

    source: Source
    rows: pl.DataFrame

    def describe(self) -> list[str]:
        """All of it in lines of text."""
        tables = {tuple(sorted(part.table.columns.items())): None for part in self.source.parts}
        columns = [", ".join(f"{ours} = {theirs}" for ours, theirs in table) for table in tables if table]
        lines = [self.source.describe(), *(f"columns: {line}" for line in columns), *self.source.notes]
        if not self.rows.height:
            return [*lines, "no rows"]
        lines.append(f"first {say_count(self.rows.height, 'row')}:")
        by = ["status", "reason"]
        counts = self.rows.group_by(by, maintain_order=True).len()
        counts = counts.sort(pl.col("status") == ALIVE, "len", descending=True, maintain_order=True)
        for status, reason, count in counts.iter_rows():
            about = f"{status}: {reason}" if reason else status
            lines.append(f"{count:>12,}  {count / self.rows.height:>6.1%}  {about}")
            rows = self.rows.filter(pl.col("status") == status, pl.col("reason").eq_missing(pl.lit(reason)))
            lines += _examples(rows, ALIVE_EXAMPLES_COUNT if status == ALIVE else EXAMPLES_COUNT)
        return lines


def _examples(rows: pl.DataFrame, count: int) -> Iterator[str]:
    """Captions with what they name; addresses where those are at fault, and places where lines are."""
    if (rows["status"] == "malformed").any():
        yield from (
            " " * 22 + f"row {row} of {show_value('source', name)}"
            for name, row in rows.head(count).select("source", "source_row").rows()
        )
        return
    told = "url" if (rows["status"] == "bad_url").any() else "caption"
    for row in rows.unique(told, keep="first", maintain_order=True).head(count).iter_rows(named=True):
        text = f"no {told}" if row[told] is None else f'"{show_value(told, row[told])}"'
        wnids = [row["wnid"]] if row["wnid"] else row["other_wnids"] or row["possible_wnids"]
        perhaps = "" if row["wnid"] or row["other_wnids"] else "perhaps "
        yield " " * 22 + text + (f" -> {perhaps}{show_value('wnids', wnids)}" if wnids and told == "caption" else "")


def preview_source(places: Sequence[str], config: CandidatesConfig, rows_count: int) -> Preview:
    """Look at a source and judge its first rows.

    Args:
        places: as for `sources.files.list_files`.
        config: which rows become candidates; all are kept whatever it says.
        rows_count: rows judged, at most.

    Raises:
        BadInput: it cannot be read, or fits no schema.
        Unavailable: a server does not answer.
    """
    source = open_source(places, config.schema, config.columns)
    # a shard ends before the row that would be one too many, so that row is asked for too
    shards = stream_candidates(
        source, replace(config, rows_per_shard=rows_count), ReadState(), keep_all=True, batch_rows=rows_count + 1
    )
    return Preview(source=source, rows=next((shard.rows for shard in shards), CANDIDATES.empty()))

"""Stage 1 of `curate`: the source is read in batches and written shard by shard, from wherever a run before stopped.

A shard's digest rests on the settings, on what searches found, and on the files up to the one its last row is of. So a
file added behind the others, or one exchanged behind a shard, leaves the shards before it as they are.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import polars as pl

from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digests
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, json_bytes, read_json
from relaionet.manifests.tables import CANDIDATES, NEIGHBOURS, PASSED_OVER
from relaionet.manifests.words import say_count
from relaionet.pipeline.candidates import judge as candidates
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.candidates.searched_rows import gather_neighbours
from relaionet.pipeline.candidates.stream import (
    CandidateShard,
    ReadState,
    keeps_all,
    stream_candidates,
    stream_neighbours,
)
from relaionet.pipeline.captions import lemma_match
from relaionet.pipeline.sources.read import Source, open_source

SOURCE = "source"
MOST_SHARDS = 100_000
M_ARENA_MAX, M_MMAP_THRESHOLD, MAPPED_BYTES = -8, -3, 1 << 18  # the first two of malloc.h


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read, and how.

    Attributes:
        source: its files.
        config: which rows become candidates.
        keep_all: every row is written.
        found: what searches found, by URL; None where nothing was searched.
        settings: digest of all of that but the files.
    """

    source: Source
    config: CandidatesConfig
    keep_all: bool
    found: pl.DataFrame | None
    settings: str

    def digest(self, parts_count: int | None = None, what: str = "rows") -> str:
        """Digest of what rests on the first files of the source, or on all."""
        parts = self.source.parts[:parts_count]
        files = [(part.name, part.identity, dict(part.table.columns)) for part in parts]
        return digest_of(self.settings, files, what)

    def shard_digest(self, shard: CandidateShard) -> str:
        """Digest of a shard; the last one would hold more if there were more rows."""
        return self.digest(what="last") if shard.is_last else self.digest(shard.parts_count)


def open_reading(run: Run, places: Sequence[str], config: CandidatesConfig) -> Reading:
    """Look at the source and say what it is.

    Args:
        run: the run.
        places: files, folders, globs or addresses of metadata tables.
        config: which rows become candidates.

    Raises:
        BadInput: it cannot be read, or fits no schema.
        Unavailable: a server does not answer.
    """
    source = open_source(tuple(places), config.schema, config.columns)
    keep_all = keeps_all(source, config)
    for line in (source.describe(), *source.notes):
        run.reporter.say(f"  {'' if line in source.notes else 'source':<12}{line}")
    if not keep_all:
        run.reporter.say(f"  {'':<12}rows that name no class are counted, not kept one by one (keep_rows)")
    config = replace(config, keep_rows="all" if keep_all else "named", auto_rows_count=0)
    has_neighbours = bool(run.store.shards(NEIGHBOURS))
    versions = (candidates.VERSION, getattr(lemma_match, "VERSION", None))
    return Reading(
        source=source,
        config=config,
        keep_all=keep_all,
        found=gather_neighbours(run.store.read_all(NEIGHBOURS)) if has_neighbours else None,
        settings=digest_of(config, versions, input_digests(run, NEIGHBOURS)),
    )


def read_source(run: Run, places: Sequence[str], config: CandidatesConfig) -> list[str]:
    """Write the candidates of the source where they are not done; returns the names of their shards."""
    reading = open_reading(run, places, config)
    digest = reading.digest(what="whole")
    shards = _whole(run, digest)
    if shards is None:
        keep_memory_flat()
        run.store.forget(SOURCE)
        shards = dict(_write_all(run, reading))
        rows_count = sum(part.rows_count for part in run.store.receipts(CANDIDATES) if part.shard in shards)
        path = run.root / SOURCE / "shards.json"
        run.store.write_artifact(path, json_bytes(shards), SOURCE, digest, rows_count=rows_count)
    run.store.keep_only(PASSED_OVER, [] if reading.keep_all else list(shards))
    return list(shards)


def keep_memory_flat() -> None:
    """Choose allocators whose free pages do not add up over hours of batches (measured: candidates_memory)."""
    import pyarrow as pa

    with suppress(NotImplementedError):  # not built in everywhere
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_ARENA_MAX, 2)  # else every thread keeps free pages of its own
            mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)  # large arrays give theirs back at once


def _whole(run: Run, digest: str) -> dict[str, str] | None:
    """Digests of all shards, where the source was read to its end and every table is there."""
    if not run.store.is_done(SOURCE, digest):
        return None
    try:
        shards: dict[str, str] = read_json(run.root / SOURCE / "shards.json")
    except (BadInput, Corrupt):
        return None
    return shards if all(run.store.has_table(CANDIDATES, shards[name], name) for name in shards) else None


def _write_all(run: Run, reading: Reading) -> Iterator[tuple[str, str]]:
    """Name and digest of every shard, written where it is not done."""
    state, count, is_whole = ReadState(), 0, False
    started = time.perf_counter()
    for name, digest, is_last in _finished(run, reading, state):
        yield name, digest
        count, is_whole = count + 1, is_last
    if count:
        rows_count = sum(state.done.values())
        run.reporter.say(
            f"  {'':<12}goes on behind {say_count(count, 'finished shard')} ({say_count(rows_count, 'row')})"
        )
    with run.reporter.bar(CANDIDATES.name, reading.source.rows_count) as advance:
        advance(sum(state.done.values()))
        for number, shard in enumerate(_shards(reading, state, advance, is_whole=is_whole), start=count):
            yield _write(run, reading, number, shard, time.perf_counter() - started)
            count, started = number + 1, time.perf_counter()
    if reading.found is not None:
        for number, shard in enumerate(stream_neighbours(reading.found, reading.config, state.met), start=count):
            yield _write(run, reading, number, shard, 0.0, digest=reading.digest(what="neighbours"))


def _shards(reading: Reading, state: ReadState, advance: Advance, *, is_whole: bool) -> Iterator[CandidateShard]:
    if not is_whole:
        yield from stream_candidates(
            reading.source, reading.config, state, keep_all=reading.keep_all, found=reading.found, progress=advance
        )


def _finished(run: Run, reading: Reading, state: ReadState) -> Iterator[tuple[str, str, bool]]:
    """Name and digest of the shards at the start of the source that are done, and whether it is the last."""
    index = {part.name: place for place, part in enumerate(reading.source.parts)}
    columns = ["candidate_id", "status", "source", "sought_wnids"]
    for number in range(len(run.store.shards(CANDIDATES))):
        name = shard_name(number)
        receipt = run.store.receipt(CANDIDATES.name, name)
        try:
            rows = run.store.read(CANDIDATES, name, columns)
            passed = PASSED_OVER.empty() if reading.keep_all else run.store.read(PASSED_OVER, name)
        except (BadInput, Corrupt):
            return
        parts = [index.get(source, -1) for source in {*rows["source"], *passed["source"]}]
        if receipt is None or not parts or min(parts) < 0:
            return
        is_last = receipt.digest == reading.digest(what="last")
        if not is_last and receipt.digest != reading.digest(max(parts) + 1):
            return
        state.take_up(rows, passed)
        yield name, receipt.digest, is_last
        if is_last:
            return


def _write(
    run: Run, reading: Reading, number: int, shard: CandidateShard, seconds: float, digest: str | None = None
) -> tuple[str, str]:
    name, digest = shard_name(number), digest or reading.shard_digest(shard)
    run.made.add(CANDIDATES.name)
    if not reading.keep_all:
        run.store.forget(CANDIDATES.name, name)
        run.store.write(shard.passed_over, PASSED_OVER, digest, shard=name)
    run.store.write(shard.rows, CANDIDATES, digest, shard=name, seconds=seconds)
    return name, digest


def shard_name(number: int) -> str:
    """Name of a shard; names sort as numbers do.

    Raises:
        BadInput: there would be too many shards for that.
    """
    if number >= MOST_SHARDS:
        raise BadInput(f"the source makes more than {MOST_SHARDS:,} shards; set a larger rows_per_shard.")
    return f"{number:05d}"

"""Every attempt at the rows of a release, kept for good: what was asked, when, what came, and how it compares.

An attempt is one or more shards of the table of downloads, named `<number>-<kind>`. The last attempt at an address
counts, and of a row's addresses the one whose picture compares best (`addresses`). Shards are only ever added, so a run
that is killed loses no more than the shard it was at, and of that only the rows under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from relaionet.manifests.files import digest_of
from relaionet.manifests.release.release import Release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import ALIVE, COMPARISONS, DOWNLOADS, SNAPSHOTS
from relaionet.pipeline.addresses.withdrawals import find_withdrawn, withdrawn_bytes
from relaionet.pipeline.downloads.archive import ArchiveConfig, ask_archive
from relaionet.pipeline.downloads.fetch import DownloadConfig, fetch_images
from relaionet.pipeline.splits.addresses import KEY, list_addresses, tell_archive_answers
from relaionet.pipeline.splits.files import WORK_FOLDER, fetched_folder, find_places
from relaionet.pipeline.splits.local_images import collect_images
from relaionet.pipeline.splits.vectors import PictureVectors
from relaionet.pipeline.splits.verdicts import compare_pictures

VERSION = "1"
Kind = Literal["first", "repair", "retry", "other", "archive"]


class Chunk(NamedTuple):
    """Rows that are fetched together.

    Attributes:
        kind: why: `first`, `repair` of missing or damaged files, `retry`, `other` for a further address, or `archive`.
        turn: which of its addresses each row is asked at.
        rows: candidate_id and address.
    """

    kind: Kind
    turn: int
    rows: pl.DataFrame


class Attempts:
    """The attempts of one split.

    Args:
        out: folder of the split.
        release: what is rebuilt.
        withdrawn: WITHDRAWN, what is not to be in the split; None is nothing.
    """

    def __init__(self, out: Path, release: Release, withdrawn: pl.DataFrame | None = None) -> None:
        self._out, self._release, self._store = out, release, Store(out)
        self._withdrawn = withdrawn
        self._origin = digest_of(VERSION, release.info.digest)

    def shards(self) -> list[str]:
        """Names of the shards that are done and there, in the order of the attempts."""
        return [shard for shard in self._store.shards(DOWNLOADS) if self._store.path(DOWNLOADS, shard).is_file()]

    def are_of_another_release(self) -> bool:
        """True where the shards are those of another release."""
        return any(receipt.digest != self._origin for receipt in self._store.receipts(DOWNLOADS))

    def fetch(
        self, chunk: Chunk, download: DownloadConfig, local: Path | None, progress: Callable[[int], None] | None
    ) -> None:
        """Ask some rows at one of their addresses and keep what came as a further shard.

        Args:
            chunk: the rows, and why they are fetched.
            download: limits and rate limits.
            local: folder the images are taken from; None fetches them.
            progress: called with the number of rows done since the last call.
        """
        started, images = time.perf_counter(), self._out / fetched_folder(chunk.turn if local is None else 0)
        if local is None:
            fetched = fetch_images(chunk.rows.select("candidate_id", url="address"), download, images, progress)
        else:
            manifest = self._release.manifest
            rows = manifest.join(chunk.rows.select("candidate_id"), on="candidate_id", maintain_order="right")
            fetched = collect_images(rows, local, images, download.max_pixels, progress, manifest=manifest)
        number = max((int(shard.partition("-")[0]) for shard in self._store.shards(DOWNLOADS)), default=-1) + 1
        seconds = time.perf_counter() - started
        self._store.write(fetched, DOWNLOADS, self._origin, shard=f"{number:05d}-{chunk.kind}", seconds=seconds)

    def lines(self) -> pl.DataFrame:
        """What is known of each address of each row of the manifest, in its order.

        Returns:
            candidate_id, url, wnid, class_index, wnids, and expected_sha256, expected_phash, expected_thumbprint and
            expected_version of the manifest; address, turn, archived_at and archive_said; of the last attempt there
            image_sha256, bytes_count, width_px, height_px, format, fetched_path, http_code, may_come_back,
            fetch_status, fetch_reason, and what its comparison found; null where there was none; withdrawn: why the
            row is not to be in the split, null where it is.
        """
        manifest = self._release.manifest
        expected = manifest.select(
            "candidate_id", "url", "wnid", "class_index", "wnids",
            pl.col("image_sha256", "phash", "thumbprint", "fingerprint_version").name.map(lambda name: _EXPECTED[name]),
        )  # fmt: skip
        snapshots = self.snapshots()
        addresses = list_addresses(manifest, snapshots.filter(status=ALIVE))
        lines = expected.join(addresses, on="candidate_id", how="left", maintain_order="left_right")
        lines = lines.join(tell_archive_answers(snapshots), on="candidate_id", how="left", maintain_order="left")
        lines = lines.join(self._answers(addresses), on=KEY, how="left", maintain_order="left")
        return self._with_evidence(self._with_withdrawals(lines))

    def _with_withdrawals(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Add to each line why its row is out: by its address, host, id or bytes, or by the bytes served today."""
        lines = lines.join(self._out_rows, on="candidate_id", how="left", maintain_order="left")
        lines = lines.join(withdrawn_bytes(self._withdrawn), on="image_sha256", how="left", maintain_order="left")
        served = pl.col("withdrawn_bytes").drop_nulls().first().over("candidate_id")
        return lines.with_columns(withdrawn=pl.coalesce("withdrawn", served)).drop("withdrawn_bytes")

    @cached_property
    def _out_rows(self) -> pl.DataFrame:
        """candidate_id, and withdrawn: why the row is out; an address at a time, so it is found out once."""
        manifest = self._release.manifest
        return manifest.select("candidate_id", find_withdrawn(manifest, self._withdrawn))

    def _answers(self, addresses: pl.DataFrame) -> pl.DataFrame:
        """The last attempt at each address: candidate_id, turn, and the columns of DOWNLOADS under other names."""
        asked = self._read(self.shards())
        turns = addresses.select("candidate_id", "turn", url="address").filter(pl.col("url").is_not_null())
        asked = asked.join(turns, on=["candidate_id", "url"], how="left", maintain_order="left")
        # taken from a folder, where the row has no address
        asked = asked.with_columns(pl.col("turn").fill_null(0)).unique(KEY, keep="last", maintain_order=True)
        return asked.select(
            *KEY, "image_sha256", "bytes_count", "width_px", "height_px", "format", "http_code",
            "may_come_back", pl.col("path").alias("fetched_path"), pl.col("status").alias("fetch_status"),
            pl.col("reason").alias("fetch_reason"),
        )  # fmt: skip

    def _read(self, shards: list[str]) -> pl.DataFrame:
        """DOWNLOADS of some shards; columns an earlier version did not write are null."""
        parts = [self._store.read(DOWNLOADS, shard) for shard in shards]
        return pl.concat([DOWNLOADS.empty(), *parts], how="diagonal")

    def compare(self, vectors: PictureVectors | None, max_pixels: int) -> None:
        """Measure the pictures of every shard that has not been compared yet."""
        todo = [shard for shard in self.shards() if not self._is_compared(shard, vectors)]
        if not todo:
            return
        lines = find_places(self.lines(), self._out).filter(pl.col("place").is_not_null())
        for shard in todo:
            started = time.perf_counter()
            fetched = self._store.read(DOWNLOADS, shard).filter(pl.col("status") == ALIVE)
            rows = lines.join(
                fetched.select("candidate_id", "image_sha256"), on=["candidate_id", "image_sha256"],
                maintain_order="left",
            ).unique("candidate_id", keep="first", maintain_order=True)  # fmt: skip
            found = compare_pictures(rows, self._out, max_pixels, vectors)
            digest = self._compared_digest(shard) + (f":{vectors.fingerprint}" if vectors is not None else "")
            seconds = time.perf_counter() - started
            self._store.write(found, COMPARISONS, digest, shard=shard, seconds=seconds)

    def snapshots(self) -> pl.DataFrame:
        """SNAPSHOTS: what an archive last said of each address it was asked about."""
        parts = [
            self._store.read(SNAPSHOTS, shard).with_columns(_shard=pl.lit(number))
            for number, shard in enumerate(self._store.shards(SNAPSHOTS))
        ]
        if not parts:
            return SNAPSHOTS.empty()
        last = pl.col("_shard") == pl.col("_shard").max().over("candidate_id", "address")
        return pl.concat(parts).filter(last).drop("_shard")

    def look_up(
        self, rows: pl.DataFrame, archive: ArchiveConfig, download: DownloadConfig,
        progress: Callable[[int], None] | None,
    ) -> None:  # fmt: skip
        """Ask an archive about some addresses and keep what it said as a further shard.

        Args:
            rows: candidate_id, address and near.
            archive: how it is asked.
            download: limits, proxy, and the name we go by.
            progress: called with the number of addresses asked since the last call.
        """
        started, number = time.perf_counter(), len(self._store.shards(SNAPSHOTS))
        ledger = self._out / WORK_FOLDER / f"archive-{number:05d}.jsonl"
        found = ask_archive(rows, archive, download, ledger, progress)
        seconds = time.perf_counter() - started
        self._store.write(found, SNAPSHOTS, self._origin, shard=f"{number:05d}", seconds=seconds)

    def are_compared(self, vectors: PictureVectors | None) -> bool:
        """True where nothing is left for `compare`."""
        return all(self._is_compared(shard, vectors) for shard in self.shards())

    def _is_compared(self, shard: str, vectors: PictureVectors | None) -> bool:
        receipt = self._store.receipt(COMPARISONS.name, shard)
        if receipt is None or not self._store.path(COMPARISONS, shard).is_file():
            return False
        digest, _, fingerprint = receipt.digest.partition(":")
        return digest == self._compared_digest(shard) and (vectors is None or fingerprint == vectors.fingerprint)

    def _compared_digest(self, shard: str) -> str:
        receipt = self._store.receipt(DOWNLOADS.name, shard)
        return digest_of(VERSION, receipt.sha256 if receipt is not None else None)

    def _with_evidence(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Add to each line what its comparison found, null where no bytes came or they were not compared yet."""
        parts = [self._store.read(COMPARISONS, shard) for shard in self.shards() if self._is_compared(shard, None)]
        key = ["candidate_id", "image_sha256"]
        found = pl.concat([COMPARISONS.empty(), *parts]).unique(key, keep="last")
        return lines.join(found, on=key, how="left", maintain_order="left")

    def digests(self) -> list[str]:
        """What the split's verdicts rest on: sha256 of every shard of downloads, comparisons and snapshots."""
        receipts = [
            self._store.receipt(table.name, shard) for table in (DOWNLOADS, COMPARISONS) for shard in self.shards()
        ]
        told = [receipt.sha256 for receipt in receipts if receipt is not None]
        return told + [receipt.sha256 for receipt in self._store.receipts(SNAPSHOTS)]

    def history(self) -> list[dict[str, Any]]:
        """The attempts in order: kind, started and ended (UTC), rows asked, rows whose bytes came.

        Shards of one first rebuild are one attempt.
        """
        told = []
        for (kind, _), group in groupby(self.shards(), key=_attempt):
            rows = self._read(list(group))
            first, last = rows["fetched_at"].min(), rows["fetched_at"].max()
            told.append(
                {
                    "kind": kind, "from": None if first is None else str(first),
                    "to": None if last is None else str(last), "asked_count": rows.height,
                    "fetched_count": rows.filter(pl.col("status") == ALIVE).height,
                }
            )  # fmt: skip
        return told


_EXPECTED = {
    "image_sha256": "expected_sha256", "phash": "expected_phash", "thumbprint": "expected_thumbprint",
    "fingerprint_version": "expected_version",
}  # fmt: skip


def _attempt(shard: str) -> tuple[str, str]:
    number, _, kind = shard.partition("-")
    return kind, number if kind == "retry" else ""

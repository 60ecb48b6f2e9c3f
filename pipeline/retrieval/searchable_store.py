"""Embeddings on disk in clip-retrieval's layout as something to be searched: rows, ids and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of
from relaionet.manifests.ids import check_one, check_start, find_starts
from relaionet.pipeline.embeddings.metadata import column_names, count_rows, make_ids, read_metadata
from relaionet.pipeline.embeddings.store import embedding_shards, embeddings_digest, has_embeddings, metadata_path
from relaionet.pipeline.retrieval.shards import VectorShards, map_files

if TYPE_CHECKING:
    import numpy as np

UNIT_TOLERANCE = 1e-2
CHECKED_ROWS = 256  # of every shard, spread over it
COLUMNS = ("candidate_id", "url", "caption")


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchStore:
    """Embeddings on disk.

    Attributes:
        folder: of the embeddings.
        vectors: [N, D] rows, mapped block by block.
        metadata: parquet files, one per shard.
        digests: of every shard: what its note says, or the names, sizes and times of its files where another program
            wrote it; reading terabytes to hash them is no option.
    """

    folder: Path
    vectors: VectorShards
    metadata: tuple[Path, ...]
    digests: tuple[str, ...]

    def about(self, rows: np.ndarray) -> pl.DataFrame:
        """What the metadata says of some rows: row, candidate_id, url, caption, in order of the rows, each row once.

        Raises:
            BadInput: the metadata has neither candidate_id nor url.
        """
        import numpy as np

        wanted, found = np.unique(rows), []
        for start, end, path in zip(self.vectors.starts[:-1], self.vectors.starts[1:], self.metadata, strict=True):
            here = wanted[(wanted >= start) & (wanted < end)] - start
            if len(here):
                found.append(_read_rows(path, here).with_columns(pl.col("row") + int(start)))
        schema = {"row": pl.Int64, **dict.fromkeys(COLUMNS, pl.String)}
        return pl.concat(found) if found else pl.DataFrame(schema=schema)

    def order(self, rows: np.ndarray) -> np.ndarray:
        """Keys that sort rows by candidate_id, [n] int64."""
        import numpy as np

        unique, place = np.unique(rows, return_inverse=True)
        return self.about(unique)["candidate_id"].rank("dense").to_numpy().astype(np.int64)[place]

    def row_of(self, candidate_id: str) -> int:
        """The row of a candidate.

        Args:
            candidate_id: its id, or the start of it (at least 6 digits).

        Raises:
            BadInput: there is none, or the start fits several.
        """
        rows: dict[str, int] = {}
        for start, path in zip(self.vectors.starts[:-1], self.metadata, strict=True):
            ids = _with_ids(read_metadata(path, _present(path)))["candidate_id"]
            for found in find_starts(ids, candidate_id).unique(maintain_order=True):
                rows.setdefault(found, int(start) + int(ids.index_of(found)))  # type: ignore[arg-type]  # it is there
            whole = next((name for name in (candidate_id, candidate_id.lower()) if name in rows), None)
            if whole is not None:
                return rows[whole]
        check_one(pl.Series(list(rows), dtype=pl.String), candidate_id)
        if not rows:
            check_start(candidate_id)
            raise BadInput(f"{self.folder} holds no candidate {candidate_id}.")
        return next(iter(rows.values()))


def open_store(folder: Path) -> SearchStore:
    """Open embeddings, those made by clip-retrieval too.

    Args:
        folder: with `img_emb/img_emb_0.npy` and `metadata/metadata_0.parquet`.

    Raises:
        BadInput: there is no shard, one lacks its metadata, or its rows are not of unit length.
        Corrupt: a file cannot be read, or rows and metadata differ in number.
    """
    found = embedding_shards(folder)
    paths = list(found.values())
    metadata = [metadata_path(path) for path in paths]
    missing = [path for path in metadata if not path.is_file()]
    if missing:
        raise BadInput(f"{missing[0]} is missing; the vectors cannot be told without it.")
    vectors = map_files(paths)
    for shard, path in zip(vectors.shards, metadata, strict=True):
        count = count_rows(path)
        if count != shard.rows_count:
            raise Corrupt(f"{folder / 'img_emb' / shard.name}: {shard.rows_count} rows, {count} in {path.name}.")
        _check_unit(shard.open(), folder / "img_emb" / shard.name)
    digests = [
        embeddings_digest(folder, number) if has_embeddings(folder, number) else _files_digest((path, about))
        for (number, path), about in zip(found.items(), metadata, strict=True)
    ]
    return SearchStore(folder=folder, vectors=vectors, metadata=tuple(metadata), digests=tuple(digests))


def _files_digest(paths: Sequence[Path]) -> str:
    return digest_of([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths])


def _check_unit(rows: np.ndarray, path: Path) -> None:
    import numpy as np

    lengths = np.linalg.norm(rows[:: max(1, len(rows) // CHECKED_ROWS)].astype(np.float32), axis=1)
    if not (abs(lengths - 1) <= UNIT_TOLERANCE).all():
        raise BadInput(f"{path} holds rows of length {lengths.max():.3f}; they must have length 1.")


def _present(path: Path) -> list[str]:
    names = column_names(path)
    found = [name for name in COLUMNS if name in names]
    if "candidate_id" not in found and "url" not in found:
        raise BadInput(f"{path} has neither candidate_id nor url; found {', '.join(names)}.")
    return found


def _read_rows(path: Path, rows: np.ndarray) -> pl.DataFrame:
    """row, candidate_id, url, caption of some rows of one shard."""
    return _with_ids(read_metadata(path, _present(path), rows=rows))


def _with_ids(table: pl.DataFrame) -> pl.DataFrame:
    """All of COLUMNS, an id made of the URL where clip-retrieval's metadata has none."""
    missing = [name for name in COLUMNS if name not in table.columns]
    table = table.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
    if "candidate_id" in missing:
        table = table.with_columns(make_ids(table["url"]))
    return table.select("row", *COLUMNS)

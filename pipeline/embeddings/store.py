"""Embeddings on disk in clip-retrieval's layout: `img_emb/img_emb_N.npy` beside `metadata/metadata_N.parquet`."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, file_sha256, read_json_object, write_atomic, write_json
from relaionet.pipeline.arrays import map_npy
from relaionet.pipeline.embeddings.metadata import column_names, make_ids, read_metadata

if TYPE_CHECKING:
    import numpy as np


def write_embeddings(folder: Path, shard: int, vectors: np.ndarray, rows: pl.DataFrame) -> None:
    """Write one shard; the note of what was written comes last, so a shard with a note is whole.

    Args:
        folder: of the embeddings.
        shard: number of the shard, from 0.
        vectors: [N, D] unit rows, stored as float16.
        rows: candidate_id, caption, url of the same N rows in the same order, and image_path where they have one.

    Raises:
        BadInput: rows and vectors differ in number, or a column is missing.
    """
    import numpy as np

    wanted = ("candidate_id", "caption", "url")
    missing = [name for name in wanted if name not in rows.columns]
    if missing:
        raise BadInput(f"embeddings of shard {shard}: missing column {', '.join(missing)}.")
    if rows.height != len(vectors):
        raise BadInput(f"embeddings of shard {shard}: {len(vectors)} vectors for {rows.height} rows.")
    array_path, metadata_path, note_path = _paths(folder, shard)
    note_path.unlink(missing_ok=True)
    array = io.BytesIO()
    np.save(array, np.ascontiguousarray(vectors, dtype=np.float16), allow_pickle=False)
    write_atomic(array_path, array.getvalue())
    metadata = io.BytesIO()
    rows.select(*wanted, *(name for name in ("image_path",) if name in rows.columns)).write_parquet(metadata)
    write_atomic(metadata_path, metadata.getvalue())
    sums = {"array_sha256": file_sha256(array_path), "metadata_sha256": file_sha256(metadata_path)}
    write_json(note_path, {"rows_count": rows.height, **sums})


def _paths(folder: Path, shard: int | str) -> tuple[Path, Path, Path]:
    return (
        folder / "img_emb" / f"img_emb_{shard}.npy",
        folder / "metadata" / f"metadata_{shard}.parquet",
        folder / f"embeddings_{shard}.json",
    )


def embedding_shards(folder: Path) -> dict[int, Path]:
    """Number -> array file of every shard, in order of the numbers.

    Raises:
        BadInput: there is none.
    """
    found = {int(_shard_of(path)): path for path in (folder / "img_emb").glob("img_emb_*.npy")}
    if not found:
        raise BadInput(f"{folder} holds no embeddings; expected img_emb/img_emb_0.npy.")
    return dict(sorted(found.items()))


def metadata_path(array_path: Path) -> Path:
    """Where the metadata of an array file lies."""
    return _paths(array_path.parent.parent, _shard_of(array_path))[1]


def has_embeddings(folder: Path, shard: int) -> bool:
    """True when the shard was written whole and its files are there."""
    return all(path.is_file() for path in _paths(folder, shard))


def embeddings_digest(folder: Path, shard: int) -> str:
    """Digest of what was written: the vectors and the metadata of one shard."""
    return digest_of(read_json_object(_paths(folder, shard)[2]))


def keep_embeddings(folder: Path, shards: Collection[int]) -> None:
    """Remove all other shards (left by a run that cut its source differently)."""
    for path in (folder / "img_emb").glob("img_emb_*.npy"):
        shard = _shard_of(path)
        if int(shard) not in shards:
            array_path, metadata_path, note_path = _paths(folder, shard)
            for old in (note_path, array_path, metadata_path):
                old.unlink(missing_ok=True)


class StoredEmbeddings(NamedTuple):
    """Rows of an embedding store.

    Attributes:
        candidate_ids: N ids.
        vectors: [N, D] unit rows, in the order of the ids.
    """

    candidate_ids: list[str]
    vectors: np.ndarray


def read_embeddings(folder: Path, shards: Sequence[int] | None = None) -> StoredEmbeddings:
    """Read shards in order of their numbers, those of clip-retrieval itself too.

    Args:
        folder: of the embeddings.
        shards: numbers of the shards, ascending; None reads all there are.

    Returns:
        Ids and rows. An id is the sha256 of the url where the metadata has no candidate_id, of the image_path where it
        has no url either; the rows are memory-mapped where there is one shard.

    Raises:
        BadInput: there is no shard, or it lacks its metadata or every id column.
        Corrupt: a shard is not what its note says, or its rows and metadata differ in number.
    """
    import numpy as np

    found = [_shard_of(path) for path in (folder / "img_emb").glob("img_emb_*.npy")]
    names = found if shards is None else [name for name in found if int(name) in shards]
    if not names:
        raise BadInput(f"{folder} holds no embeddings; expected img_emb/img_emb_0.npy.")
    read = [_read_shard(folder, name) for name in sorted(names, key=int)]
    widths = {vectors.shape[1] for _, vectors in read}
    if len(widths) > 1:
        raise Corrupt(f"{folder}: shards of different width {sorted(widths)}; they come from different encoders.")
    ids = [candidate_id for part, _ in read for candidate_id in part]
    return StoredEmbeddings(ids, read[0].vectors if len(read) == 1 else np.concatenate([one.vectors for one in read]))


def _shard_of(path: Path) -> str:
    match = re.fullmatch(r"img_emb_(\d+)", path.stem)
    if match is None:
        raise BadInput(f"{path} is no shard of embeddings; expected img_emb_<number>.npy.")
    return match[1]


def _read_shard(folder: Path, shard: str) -> StoredEmbeddings:

    array_path, metadata_path, note_path = _paths(folder, shard)
    if not metadata_path.is_file():
        raise BadInput(f"{metadata_path} is missing; {array_path.name} cannot be read without it.")
    if note_path.exists():
        note = read_json_object(note_path)
        sums = (file_sha256(array_path), file_sha256(metadata_path))
        if sums != (note.get("array_sha256"), note.get("metadata_sha256")):
            raise Corrupt(f"{array_path} or its metadata is not what {note_path.name} says; delete it and run again.")
    try:
        vectors = map_npy(array_path)
    except (ValueError, OSError) as error:
        raise Corrupt(f"{array_path} cannot be read: {error}.") from error
    ids = _ids(metadata_path)
    if vectors.ndim != 2 or len(vectors) != len(ids):
        raise Corrupt(f"{array_path}: {vectors.shape} for {len(ids)} rows of metadata; delete it and run again.")
    return StoredEmbeddings(ids, vectors)


def _ids(path: Path) -> list[str]:
    found = column_names(path)
    name = next((name for name in ("candidate_id", "url", "image_path") if name in found), None)
    if name is None:
        raise BadInput(f"{path} has no candidate_id, url or image_path; found {', '.join(found)}.")
    names = read_metadata(path, [name])[name]
    ids: list[str] = names.to_list() if name == "candidate_id" else make_ids(names).to_list()
    return ids

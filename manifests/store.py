"""Tables on disk with receipts: a table counts as done when its receipt exists and names the same digest.

Layout under a run's folder: `<table>/<shard>.parquet` and `<table>/<shard>.receipt.json`. The table is written to
`.part` and renamed; the receipt is written last, so a table with a receipt is whole whatever was killed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import Table, check_table, fill_later, shape_table

CHUNK_BYTES = 1 << 20
CHUNK_ITEMS = 4096


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was written and from what.

    Attributes:
        table: name of the table, or of another artefact that has a receipt.
        shard: shard name.
        rows_count: rows written.
        sha256: of the file's bytes, hex.
        digest: of config, inputs and stage version (`digest_of`).
        seconds: how long the stage took.
    """

    table: str
    shard: str
    rows_count: int
    sha256: str
    digest: str
    seconds: float


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, hex, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [_plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    raise BadInput(f"cannot digest a {type(value).__name__}; pass numbers, strings, lists, dicts or dataclasses.")


def digest_of(*parts: Any) -> str:
    """sha256 (hex, 64 digits) of anything made of dataclasses, dicts, lists, strings and numbers.

    Equal content gives equal digests on every machine; a path counts as its text, so pass the digest of a file or of
    its receipt where the content matters. Long lists are read in pieces.
    """
    digest = hashlib.sha256(b"[")
    for index, part in enumerate(parts):
        digest.update(b"," if index else b"")
        for text in _spell(part):
            digest.update(text.encode())
    digest.update(b"]")
    return digest.hexdigest()


def _spell(value: Any) -> Iterator[str]:
    """The JSON text of a value, a long list in pieces."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        yield json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return
    yield "["
    for start in range(0, len(value), CHUNK_ITEMS):
        part = _plain(list(value[start : start + CHUNK_ITEMS]))
        text = json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield ("," if start else "") + text[1:-1]
    yield "]"


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write bytes to `path` so that it holds either the old content or all of the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        BadInput: it does not exist or cannot be read.
        Corrupt: it is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise BadInput(f"{path} does not exist.") from None
    except ValueError as error:
        raise Corrupt(f"{path} is no JSON: {error}.") from None


class Store:
    """Tables of one run, by table and shard, each with a receipt.

    Args:
        root: folder of the run; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, table: Table, shard: str = "all") -> Path:
        """Where the table's shard is kept."""
        return self.root / table.name / f"{shard}.parquet"

    def receipt(self, name: str, shard: str = "all") -> Receipt | None:
        """The receipt of a table or artefact, or None where there is none (unfinished or never made)."""
        path = self.root / name / f"{shard}.receipt.json"
        if not path.exists():
            return None
        try:
            return Receipt(**read_json(path))
        except (TypeError, Corrupt):
            raise Corrupt(f"{path} is no receipt; delete it and run again.") from None

    def is_done(self, name: str, digest: str, shard: str = "all") -> bool:
        """True when a receipt with this digest exists; the receipt is written last and forgotten first."""
        receipt = self.receipt(name, shard)
        return receipt is not None and receipt.digest == digest

    def has_table(self, table: Table, digest: str, shard: str = "all") -> bool:
        """True when a table's shard is done with this digest and its file is there."""
        return self.is_done(table.name, digest, shard) and self.path(table, shard).is_file()

    def write_receipt(self, receipt: Receipt) -> None:
        """Write a receipt; call this last, when everything it vouches for is on disk."""
        write_json(self.root / receipt.table / f"{receipt.shard}.receipt.json", asdict(receipt))

    def forget(self, name: str, shard: str = "all") -> None:
        """Remove a receipt, so that the artefact counts as not done."""
        (self.root / name / f"{shard}.receipt.json").unlink(missing_ok=True)

    def write(
        self, rows: pl.DataFrame, table: Table, digest: str, *, shard: str = "all", seconds: float = 0
    ) -> Receipt:
        """Check and write a table, then its receipt.

        Raises:
            BadInput: a column is missing.
            Corrupt: a row breaks the table's rules (a fault in the stage, found before anything is stored).
        """
        rows = check_table(shape_table(rows, table), table)
        self.forget(table.name, shard)
        path = self.path(table, shard)
        # through memory: polars words a full disk in many ways, Python's own files in one
        data = io.BytesIO()
        rows.write_parquet(data, compression="zstd", statistics=True)
        write_atomic(path, data.getbuffer())
        receipt = Receipt(
            table=table.name, shard=shard, rows_count=rows.height, sha256=hashlib.sha256(data.getbuffer()).hexdigest(),
            digest=digest,
            seconds=round(seconds, 3),
        )  # fmt: skip
        self.write_receipt(receipt)
        return receipt

    def read(self, table: Table, shard: str = "all", columns: list[str] | None = None) -> pl.DataFrame:
        """Read one shard, or some columns of it, and verify it against its receipt.

        Raises:
            BadInput: it was never finished.
            Corrupt: its bytes are not those of the receipt.
        """
        receipt = self.receipt(table.name, shard)
        path = self.path(table, shard)
        if receipt is None or not path.exists():
            raise BadInput(f"{path} was not finished; run the flow that makes it again.")
        if file_sha256(path) != receipt.sha256:
            raise Corrupt(f"{path} is not what its receipt says; delete it and run again.")
        known = columns
        if columns is not None and table.later:
            there = pl.read_parquet_schema(path)
            known = [name for name in columns if name in there or name not in table.later]
        return fill_later(pl.read_parquet(path, columns=known), table, columns)

    def shards(self, table: Table) -> list[str]:
        """Names of the finished shards of a table, sorted."""
        folder = self.root / table.name
        return sorted(path.name.removesuffix(".receipt.json") for path in folder.glob("*.receipt.json"))

    def keep_only(self, table: Table, shards: list[str]) -> None:
        """Remove all other shards of a table (left by a run that cut its source differently)."""
        for shard in set(self.shards(table)) - set(shards):
            self.forget(table.name, shard)
            self.path(table, shard).unlink(missing_ok=True)

    def read_all(self, table: Table) -> pl.DataFrame:
        """All finished shards in order, verified; the empty table where there is none."""
        return pl.concat([self.read(table, shard) for shard in self.shards(table)] or [table.empty()])

    def receipts(self, table: Table) -> Iterator[Receipt]:
        """Receipts of all finished shards, in order."""
        for shard in self.shards(table):
            receipt = self.receipt(table.name, shard)
            if receipt is not None:
                yield receipt

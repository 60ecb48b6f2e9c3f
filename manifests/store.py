"""Tables on disk with receipts: a table counts as done when its receipt exists and names the same digest.

Layout under a run's folder: `<table>/<shard>.parquet` and `<table>/<shard>.receipt.json`. The table is written to
`.part` and renamed; the receipt is written last, so a table with a receipt is whole whatever was killed. What is no
table (JSON, an array) is kept in the same way, as a file beside such a receipt.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.escape import CSV_FORMULA, escape_csv
from relaionet.manifests.files import file_sha256, read_json, write_atomic, write_json
from relaionet.manifests.tables import Table, check_table, fill_later, shape_table


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


def parquet_bytes(rows: pl.DataFrame) -> memoryview:
    """A table as tables are stored: parquet, zstd.

    Args:
        rows: any.
    """
    # through memory: polars words a full disk in many ways, Python's own files in one
    data = io.BytesIO()
    rows.write_parquet(data, compression="zstd", statistics=True)
    return data.getbuffer()


def csv_bytes(rows: pl.DataFrame) -> bytes:
    """A table as people open it in a spreadsheet: no text in it is taken for a formula (`escape.escape_csv`).

    Parquet beside it has the same texts as they are.

    Args:
        rows: columns of text and numbers.
    """
    texts = [name for name, dtype in rows.schema.items() if dtype == pl.String]
    names = {name: escape_csv(name) for name in rows.columns}
    safe = rows.with_columns(pl.col(texts).str.replace_all(CSV_FORMULA, "${1}${2}'${3}")).rename(names)
    data = io.BytesIO()
    safe.write_csv(data)
    return data.getvalue()


def write_parquet(path: Path, rows: pl.DataFrame) -> None:
    """Write a table without a receipt, atomically.

    Args:
        path: of the file.
        rows: any.
    """
    write_atomic(path, parquet_bytes(rows))


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
        return self.has_artifact(self.path(table, shard), table.name, digest, shard)

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
        data = parquet_bytes(rows)
        return self.write_artifact(
            self.path(table, shard), data, table.name, digest, rows_count=rows.height, seconds=seconds, shard=shard
        )

    def write_artifact(
        self, path: Path, data: bytes | memoryview, name: str, digest: str, *, rows_count: int, seconds: float = 0,
        shard: str = "all",
    ) -> Receipt:  # fmt: skip
        """Write a file of any kind whole, then its receipt.

        Args:
            path: of the file.
            data: its bytes (`json_bytes`, `parquet_bytes`, `pipeline.arrays.npy_bytes`).
            name: of the artefact; its receipt lies in the folder of that name.
            digest: of config, inputs and stage version (`digest_of`).
            rows_count: what it is made of, counted.
            seconds: how long the stage took.
            shard: of the artefact.
        """
        self.forget(name, shard)
        write_atomic(path, data)
        receipt = Receipt(
            table=name, shard=shard, rows_count=rows_count, sha256=hashlib.sha256(data).hexdigest(), digest=digest,
            seconds=round(seconds, 3),
        )  # fmt: skip
        self.write_receipt(receipt)
        return receipt

    def has_artifact(self, path: Path, name: str, digest: str, shard: str = "all") -> bool:
        """True when an artefact is done with this digest and its file is there."""
        return self.is_done(name, digest, shard) and path.is_file()

    def read_artifact(
        self, path: Path, name: str, shard: str = "all", *, remedy: str = "run the command that makes it again"
    ) -> bytes:
        """The bytes of an artefact, verified against its receipt.

        Args:
            path: of the file.
            name: of the artefact.
            shard: of the artefact.
            remedy: what to do where it was never finished.

        Raises:
            BadInput: it was never finished.
            Corrupt: its bytes are not those of the receipt.
        """
        receipt = self.receipt(name, shard)
        if receipt is None or not path.is_file():
            raise BadInput(f"{path} was not finished; {remedy}.")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != receipt.sha256:
            raise Corrupt(f"{path} is not what its receipt says; delete it and run again.")
        return data

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

    def shards(self, table: Table | str) -> list[str]:
        """Names of the finished shards of a table, or of an artefact by its name, sorted."""
        folder = self.root / _name_of(table)
        return sorted(path.name.removesuffix(".receipt.json") for path in folder.glob("*.receipt.json"))

    def keep_only(self, table: Table, shards: list[str]) -> None:
        """Remove all other shards of a table (left by a run that cut its source differently)."""
        for shard in set(self.shards(table)) - set(shards):
            self.forget(table.name, shard)
            self.path(table, shard).unlink(missing_ok=True)

    def read_all(self, table: Table) -> pl.DataFrame:
        """All finished shards in order, verified; the empty table where there is none."""
        return pl.concat([self.read(table, shard) for shard in self.shards(table)] or [table.empty()])

    def receipts(self, table: Table | str) -> Iterator[Receipt]:
        """Receipts of all finished shards of a table, or of an artefact by its name, in order."""
        for shard in self.shards(table):
            receipt = self.receipt(_name_of(table), shard)
            if receipt is not None:
                yield receipt


def _name_of(table: Table | str) -> str:
    return table if isinstance(table, str) else table.name

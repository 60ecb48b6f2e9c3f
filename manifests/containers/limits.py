"""How much a stranger's container may hold, once per format; a reader that knows what it expects asks for less."""

from __future__ import annotations

from dataclasses import dataclass

from relaionet.manifests.errors import BadInput

MIB = 1 << 20
GIB = 1 << 30


class Refused(BadInput, ValueError):
    """A container that is damaged or holds more than is believed; a ValueError too, as the parsers' own faults are."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one container may hold.

    Attributes:
        max_bytes: once it is unpacked; of a text, as it is.
        max_members: files, tensors, values or keys in it.
        max_depth: levels of nesting; headers that only describe the next one count as levels.
        ratio: times the bytes it takes on disk that it may unpack to, above `floor_bytes`.
        floor_bytes: what it may unpack to however small it is.
    """

    max_bytes: int
    max_members: int
    max_depth: int = 1
    ratio: int = 1
    floor_bytes: int = 0

    def most(self, packed_bytes: int) -> int:
        """Bytes a container of so many may unpack to."""
        return min(self.max_bytes, self.floor_bytes + self.ratio * packed_bytes)


@dataclass(frozen=True, kw_only=True)
class ParquetLimits:
    """How much one parquet file may hold.

    Attributes:
        max_rows: rows.
        max_columns: columns, nested ones counted apart.
        max_row_groups: row groups.
        max_bytes: bytes in memory, by the file's own word and again as it is read.
        max_values_per_row: values in all columns together, per row on average (lists have many).
        ratio: times the bytes of the file that it may unpack to, above `floor_bytes`.
        floor_bytes: what it may unpack to however small it is.
        max_batch_bytes: that may come of one read.
        floor_rows: rows that it may have however small it is.
        least_row_bytes: bytes of the file that each further row takes at least.
    """

    max_rows: int = 5_000_000
    max_columns: int = 200
    max_row_groups: int = 20_000
    max_bytes: int = 4 * GIB
    max_values_per_row: int = 2_000
    ratio: int = 100
    floor_bytes: int = 128 * MIB
    max_batch_bytes: int = 128 * MIB
    floor_rows: int = 5_000_000
    least_row_bytes: int = 1

    def most(self, packed_bytes: int) -> int:
        """Bytes a file of so many may unpack to."""
        return min(self.max_bytes, self.floor_bytes + self.ratio * packed_bytes)

    def most_rows(self, packed_bytes: int) -> int:
        """Rows a file of so many bytes may have."""
        return min(self.max_rows, self.floor_rows + packed_bytes // self.least_row_bytes)


JSON = Limits(max_bytes=32 * MIB, max_members=4_000_000, max_depth=64)
TOML = Limits(max_bytes=4 * MIB, max_members=200_000, max_depth=16)
# ImageNet's whole train part as one archive is 1.3 million files and 150 GB
TAR = Limits(max_bytes=1 << 44, max_members=20_000_000, max_depth=8)
# pictures hardly shrink when packed, texts do
PACKED = Limits(max_bytes=1 << 44, max_members=1, ratio=50, floor_bytes=256 * MIB)
# numbers that were measured hardly shrink; 50 000 pictures of 256 x 256 take 9.8 GB
ZIP = Limits(max_bytes=1 << 41, max_members=200_000, ratio=20, floor_bytes=64 * MIB)
NPZ = Limits(max_bytes=1 << 41, max_members=10_000, ratio=20, floor_bytes=64 * MIB)
# arrays that are read into memory whole: a mean and a covariance of 4096 features take 134 MB
NUMBERS = Limits(max_bytes=192 * MIB, max_members=1000, ratio=20, floor_bytes=64 * MIB)
SAFETENSORS = Limits(max_bytes=1 << 41, max_members=200_000, max_depth=4)
PICKLE = Limits(max_bytes=64 * MIB, max_members=4_000_000, max_depth=64)
MSGPACK = Limits(max_bytes=1 << 37, max_members=1 << 20, max_depth=32)
# a release's own tables are held in memory; ImageNet's whole train part is 1.3 million rows and about 3 GB
TABLE = ParquetLimits()
# tables of LAION are read batch by batch and never held
STREAM = ParquetLimits(
    max_rows=2_000_000_000,
    max_columns=2_000,
    max_row_groups=200_000,
    max_bytes=1 << 44,
    floor_bytes=GIB,
    floor_rows=2_000_000,
)
# pictures stand in rows of a few hundred kilobytes
PICTURES = ParquetLimits(
    max_rows=200_000_000, max_bytes=1 << 44, max_values_per_row=10_000, ratio=4, floor_rows=100_000, least_row_bytes=16
)

"""The footer of a stranger's parquet, and what Arrow says where it cannot read one."""

from __future__ import annotations

import itertools
from typing import Any

from relaionet.manifests.containers.limits import MIB, ParquetLimits, Refused
from relaionet.manifests.containers.thrift import Incomplete, read_struct
from relaionet.manifests.escape import message_of

TAIL_BYTES = 8
MAX_FOOTER_BYTES = 8 * MIB
# numbers of fields in parquet's own description
ROW_GROUPS, GROUP_COLUMNS, CHUNK_FACTS, CHUNK_SIZES = 4, 1, 3, 16
ENCRYPTION = {8, 9}
NEEDED = {1, 2, 3, 4, 5, 6, 7, 9}


def parquet_faults() -> tuple[type[BaseException], ...]:
    """What Arrow's reader raises on hostile bytes."""
    import pyarrow as pa

    return (pa.ArrowException, OSError, ValueError, MemoryError, RuntimeError, OverflowError, LookupError, TypeError)


def as_refused(error: BaseException) -> Exception:
    """An error of Arrow as one of the door; what the network or the system said stays as it is."""
    if isinstance(error, Refused | FileNotFoundError | PermissionError | TimeoutError | ConnectionError):
        return error
    return Refused(f"damaged: {one_line(error)}")


def read_tail(raw: Any, size: int) -> bytes:
    """The footer, whose length is looked at before.

    Raises:
        Refused: there is none, or it is longer than any is.
    """
    raw.seek(max(0, size - TAIL_BYTES))
    tail = raw.read(TAIL_BYTES)
    if len(tail) < TAIL_BYTES or tail[4:] != b"PAR1":
        raise Refused("no parquet, or cut short")
    length = int.from_bytes(tail[:4], "little")
    if length > min(MAX_FOOTER_BYTES, size - TAIL_BYTES):
        raise Refused(f"a footer of {length:,} bytes")
    raw.seek(size - TAIL_BYTES - length)
    return bytes(raw.read(length))


def check_chunks(footer: bytes, schema: Any) -> None:
    """Look at what ends pyarrow's process where it is wrong: it asks for a column's facts without a net.

    Args:
        footer: its bytes.
        schema: pyarrow's, of the columns as they are stored.

    Raises:
        Refused: a column has no facts, is encrypted, or counts its levels otherwise than its kind says.
    """
    try:
        about, _ = read_struct(footer, 0, 0)
    except Incomplete:
        raise Refused("a footer that is cut short") from None
    columns = [schema.column(place) for place in range(len(schema))]
    for group in _structs(about.get(ROW_GROUPS)):
        chunks = _structs(group.get(GROUP_COLUMNS))
        if len(chunks) != len(columns):
            raise Refused("row groups of more or fewer columns than the file")
        for chunk, column in zip(chunks, columns, strict=True):
            facts = chunk.get(CHUNK_FACTS)
            if not isinstance(facts, dict) or ENCRYPTION & set(chunk):
                raise Refused("a column without facts, or an encrypted one")
            sizes = facts.get(CHUNK_SIZES, {})
            if not isinstance(sizes, dict) or not set(facts) >= NEEDED:
                raise Refused("a column without facts")
            levels = {2: column.max_repetition_level, 3: column.max_definition_level}
            if any(sizes.get(number) and len(sizes[number]) != most + 1 for number, most in levels.items()):
                raise Refused("a column that counts its levels otherwise than its kind says")
            if 1 in sizes and column.physical_type != "BYTE_ARRAY":
                raise Refused("a column that counts the bytes of what is no text")


def _structs(found: Any) -> list[dict[int, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Refused("a damaged footer")
    return found


def footer_fault(about: Any, limits: ParquetLimits, size: int) -> str | None:
    """What a file claims beyond the limits; None where nothing."""
    if about.num_columns > limits.max_columns:
        return f"{about.num_columns:,} columns; expected at most {limits.max_columns:,}"
    if about.num_row_groups > limits.max_row_groups:
        return f"{about.num_row_groups:,} row groups; expected at most {limits.max_row_groups:,}"
    if not 0 <= about.num_rows <= limits.most_rows(size):
        return f"{about.num_rows:,} rows; expected at most {limits.most_rows(size):,}"
    rows_count = bytes_count = values_count = 0
    for number, place in itertools.product(range(about.num_row_groups), range(about.num_columns)):
        group = about.row_group(number)
        chunk = group.column(place)
        rows_count += group.num_rows if place == 0 else 0
        if min(chunk.total_uncompressed_size, chunk.total_compressed_size, chunk.num_values, group.num_rows) < 0:
            return "sizes below 0"
        bytes_count += chunk.total_uncompressed_size
        values_count += chunk.num_values
    if about.num_columns and rows_count != about.num_rows:
        return f"{about.num_rows:,} rows by one word and {rows_count:,} by another"
    if bytes_count > limits.most(size):
        return f"{bytes_count:,} bytes when unpacked; expected at most {limits.most(size):,}"
    if values_count > min(limits.max_values_per_row * max(1, about.num_rows), limits.max_bytes):
        return f"{values_count:,} values in {about.num_rows:,} rows"
    return None


def one_line(error: BaseException) -> str:
    """What went wrong, in one short line without a full stop."""
    return message_of(error).rstrip(".")

"""Arrow's columns of any type as texts or as numbers.

A text may be stored as text, bytes, a number, a date, a dictionary of these or nothing at all (a column that is null
throughout has a type of its own); a number as a number, true or false, a text or nothing. What holds lists or objects
is neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

UTF8_BYTES = 4
LONG_BITS = 64
BYTES = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_size_binary")


def is_text_like(dtype: pa.DataType) -> bool:
    """True for columns that can be read as texts."""
    import pyarrow as pa

    return not pa.types.is_nested(_stored(dtype))


def is_number_like(dtype: pa.DataType) -> bool:
    """True for columns that can be read as numbers, those of texts that may be numbers too."""
    import pyarrow as pa

    stored = _stored(dtype)
    checks = ("integer", "floating", "decimal", "boolean", "null")
    return _is_bytes(stored) or any(getattr(pa.types, f"is_{check}")(stored) for check in checks)


def _stored(dtype: pa.DataType) -> pa.DataType:
    """The type of the values themselves, of a dictionary or a type of another package."""
    import pyarrow as pa

    if isinstance(dtype, pa.BaseExtensionType):
        return _stored(dtype.storage_type)
    return _stored(dtype.value_type) if pa.types.is_dictionary(dtype) else dtype


def _is_bytes(dtype: pa.DataType) -> bool:
    import pyarrow as pa

    return any(getattr(pa.types, f"is_{check}")(dtype) for check in BYTES)


def _plain(values: pa.Array) -> pa.Array:
    """The values without the type another package gave them."""
    import pyarrow as pa

    return _plain(values.storage) if isinstance(values.type, pa.BaseExtensionType) else values


def read_numbers(values: pa.Array, max_chars: int) -> pl.Series:
    """A column as numbers, or as texts that may be numbers.

    Args:
        values: of a type `is_number_like` takes.
        max_chars: longest text kept.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = _plain(values)
    if pa.types.is_dictionary(values.type):
        values = _plain(values.dictionary_decode())
    if _is_bytes(values.type) or pa.types.is_null(values.type):
        return read_texts(values, max_chars)[0]
    if pa.types.is_float16(values.type):
        values = pc.cast(values, pa.float32())
    elif pa.types.is_decimal(values.type):
        values = pc.cast(values, pa.float64())
    return pl.Series(pl.from_arrow(values))


def read_texts(values: pa.Array, max_chars: int) -> tuple[pl.Series, pl.Series | None]:
    """A column as texts cut to what is kept, and which of them are not UTF-8 (None where all are).

    Args:
        values: of a type `is_text_like` takes.
        max_chars: longest text kept.
    """
    import pyarrow as pa

    values = _plain(values)
    if pa.types.is_dictionary(values.type):
        if not _is_bytes(values.type.value_type):
            return read_texts(values.dictionary_decode(), max_chars)
        texts, faults = read_texts(values.dictionary, max_chars)
        places = pl.Series(pl.from_arrow(values.indices)).cast(pl.UInt32)
        return texts.gather(places), None if faults is None else faults.gather(places)
    return _read_bytes(values if _is_bytes(values.type) else _write_out(values), max_chars)


def _write_out(values: pa.Array) -> pa.Array:
    """Numbers, dates and the like as texts; a number that is none (NaN) is no text either."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(values.type):
        return pa.nulls(len(values), pa.large_string())
    if pa.types.is_float16(values.type):
        values = pc.cast(values, pa.float32())
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pa.types.is_timestamp(values.type):
        values = pc.cast(values, pa.timestamp(values.type.unit))  # of a zone that may be none: as it is in UTC
    try:
        return pc.cast(values, pa.large_string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # a span, or a day that no calendar has
        return pc.cast(values.view(pa.int64() if values.type.bit_width == LONG_BITS else pa.int32()), pa.large_string())


def _read_bytes(values: pa.Array, max_chars: int) -> tuple[pl.Series, pl.Series | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    most = UTF8_BYTES * max_chars
    values = values.cast(pa.large_binary())
    longest = pc.max(pc.binary_length(values)).as_py()
    if longest is not None and longest > most:
        values = pc.binary_slice(values, 0, most)
    raw = pl.Series(pl.from_arrow(values), dtype=pl.Binary)
    try:
        return raw.cast(pl.String).str.slice(0, max_chars), None
    except pl.exceptions.ComputeError:
        pairs = [_decode(value, most) for value in raw]
        texts = pl.Series([text for text, _ in pairs], dtype=pl.String).str.slice(0, max_chars)
        return texts, pl.Series([bad for _, bad in pairs], dtype=pl.Boolean)


def _decode(value: bytes | None, most: int) -> tuple[str | None, bool]:
    """A text, and whether its bytes are not UTF-8; a character cut in two at the end is no fault."""
    if value is None:
        return None, False
    try:
        return value.decode(), False
    except UnicodeDecodeError as error:
        if len(value) == most and error.end == most and most - error.start < UTF8_BYTES:
            return value[: error.start].decode(), False
        return value.decode(errors="replace"), True

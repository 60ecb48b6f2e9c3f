"""Every row of a parquet table is a row, whatever the types of its columns and whatever became of its bytes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.depth import deep
from tests.unit.pipeline.sources.builders import damage, read_or_refuse, url

bounded = settings(max_examples=deep(250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TYPES: list[pa.DataType] = [
    pa.null(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(),
    pa.binary(8), pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.decimal128(12, 3),
    pa.decimal256(50, 3), pa.date32(), pa.date64(), pa.time32("s"), pa.time64("us"), pa.timestamp("s"),
    pa.timestamp("ns", tz="Europe/Berlin"), pa.timestamp("us", tz="+03:00"), pa.duration("ms"), pa.list_(pa.string()),
    pa.large_list(pa.int64()), pa.list_(pa.string(), 2), pa.struct([("a", pa.string())]),
    pa.map_(pa.string(), pa.int32()), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.int64()),
    pa.list_(pa.struct([("a", pa.list_(pa.int8()))])),
]  # fmt: skip


def make_column(dtype: pa.DataType, seeds: list[int | None]) -> pa.Array:
    if pa.types.is_dictionary(dtype):
        return make_column(dtype.value_type, seeds).dictionary_encode().cast(dtype)
    made = {
        "string": lambda n: f"text {n}", "large_string": lambda n: f"text {n}", "string_view": lambda n: f"text {n}",
        "binary": lambda n: bytes([n % 256]) * 8, "large_binary": lambda n: b"\xff\xfe" + bytes([n % 256]),
        "binary_view": lambda n: b"abc", "null": lambda _: None, "bool": lambda n: n % 2 == 0,
    }  # fmt: skip
    name = str(dtype).partition("[")[0].partition("(")[0]
    if name in made or pa.types.is_fixed_size_binary(dtype):
        make = made.get(name, made["binary"])
        return pa.array([None if n is None else make(n) for n in seeds], dtype)
    if pa.types.is_map(dtype):
        return pa.array([None if n is None else [("k", n % 9)] for n in seeds], dtype)
    if pa.types.is_struct(dtype):
        return pa.array([None if n is None else {"a": None} for n in seeds], dtype)
    if pa.types.is_fixed_size_list(dtype):
        return pa.array([None if n is None else ["a", "b"] for n in seeds], dtype)
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return pa.array([None if n is None else [] for n in seeds], dtype)
    if pa.types.is_decimal(dtype):
        return pa.array([None if n is None else Decimal(n % 100) for n in seeds], dtype)
    small = pa.array([None if n is None else n % 100 for n in seeds], pa.int64())
    if pa.types.is_temporal(dtype):
        width = pa.int32() if dtype in (pa.date32(), pa.time32("s")) else pa.int64()
        scale = 86_400_000 if dtype == pa.date64() else 1
        return pa.array([None if n is None else (n % 100) * scale for n in seeds], width).cast(dtype)
    return small.cast(pa.float32()).cast(dtype) if dtype == pa.float16() else small.cast(dtype)


@bounded
@given(
    caption=st.sampled_from(TYPES), width=st.sampled_from(TYPES), address=st.sampled_from(TYPES),
    seeds=st.lists(st.none() | st.integers(0, 2000), max_size=30), group=st.integers(1, 40), batch=st.integers(1, 40),
)  # fmt: skip
def test_every_row_of_a_parquet_table_is_a_row_whatever_its_types(
    caption: pa.DataType, width: pa.DataType, address: pa.DataType, seeds: list[int | None], group: int, batch: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    path = tmp_path / "t.parquet"
    kinds = {"url": address, "caption": caption, "width": width}
    table = pa.table({name: make_column(dtype, seeds) for name, dtype in kinds.items()})
    pq.write_table(table, path, row_group_size=group)
    rows = read_or_refuse(path, batch_rows=batch)
    assert (rows is None) == any(pa.types.is_nested(dtype) for dtype in (caption, address))
    if rows is None:
        return
    assert rows.height == len(seeds)
    is_number = pa.types.is_integer(width) or pa.types.is_floating(width) or pa.types.is_decimal(width)
    sides = [n % 100 or None if is_number and n is not None else None for n in seeds]
    if is_number or pa.types.is_nested(width) or pa.types.is_temporal(width):
        assert rows["width_px"].to_list() == sides
    if caption in (pa.null(), pa.string(), pa.string_view()):
        assert rows["caption"].to_list() == [None if n is None or caption == pa.null() else f"text {n}" for n in seeds]


@bounded
@given(data=st.data())
def test_parquet_files_that_are_cut_or_changed_are_refused_by_name_or_read_whole(
    data: st.DataObject, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    captions = [f"a goldfish {number % 3}" for number in range(60)]
    table = pa.table({"url": [url(number) for number in range(60)], "caption": captions, "width": list(range(60))})
    codec = data.draw(st.sampled_from(["none", "snappy", "zstd", "gzip"]))
    pq.write_table(table, path, row_group_size=25, compression=codec)
    whole = bytearray(path.read_bytes())
    damage(whole, data)
    cut = data.draw(st.just(len(whole)) | st.integers(0, len(whole)))
    path.write_bytes(bytes(whole[:cut]))
    rows = read_or_refuse(path)
    assert rows is None or rows.height == pq.read_metadata(path).num_rows

"""Rows out and reasons are the units that went in, whatever the bytes; and no library's error reaches the user.

The units are counted here by other means than the readers': lines by a regular expression, rows by what was written.
"""

from __future__ import annotations

import bz2
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.depth import deep
from tests.unit.pipeline.sources.builders import damage, read_or_refuse, rows_of, url

ANY_END = re.compile(rb"\r\r\n|\r\n|\r|\n")
LINE_FEED = re.compile(rb"\n")
# what tables are made of, and what breaks them
PIECES = [
    b'"', b'""', b",", b"\t", b"\n", b"\r\n", b"\r", b";", b"http://a.example/1.jpg", b"https://b.example/2.png",
    b"a goldfish", b"url,caption\n", b"url\tcaption\n", b"caption,url\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00",
    b"\xe9", b"{", b"}", b"[", b"]", b":", b'{"url":"http://a.example/1","caption":"a goldfish"}', b'{"url":', b"null",
    b"NaN", b"1e999", b" ", b"\\", b"'", "é".encode(), "\u2028".encode(), b"\xed\xa0\x80", b"PAR1", b"\x1f\x8b",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
bounded = settings(max_examples=deep(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def lines_count(data: bytes, end: re.Pattern[bytes]) -> int:
    """Lines of a file, one that is not ended too."""
    parts = end.split(data)
    return len(parts) - (parts[-1] == b"")


def is_utf16(data: bytes) -> bool:
    """True where lines may not be told by single bytes."""
    return data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:64]


@bounded
@given(data=texts)
@example(data=b"url,caption\n" + b'http://a.example/1.jpg,"a goldfish\n' * 3)
@example(data=b'caption,url\n"two\nlines",http://a.example/1.jpg\n"a,http://a.example/2.jpg\nb",http://a.example/3\n')
def test_every_line_of_a_comma_separated_table_is_a_row_a_reason_or_in_a_field(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    rows = read_or_refuse(path, max_chars=1_000_000)
    if rows is None or is_utf16(data):
        return
    lines = lines_count(data.removeprefix(b"\xef\xbb\xbf"), ANY_END)
    whole = rows.filter(pl.col("fault").is_null() | (pl.col("fault") != "line") & (pl.col("fault") != "quote"))
    inside = sum(
        lines_count(value.encode(errors="surrogateescape") + b".", ANY_END) - 1
        for column in ("url", "caption")
        for value in whole[column].drop_nulls()
    )
    # a line of names at most, and lines within fields that are not kept
    assert rows.height <= lines
    assert rows.height + inside <= lines
    if '"' not in data.decode("latin-1"):
        assert lines - rows.height in (0, 1) or b"\r" in data


@bounded
@given(
    captions=st.lists(st.text(st.sampled_from('ab ,;"\n\r\té'), max_size=12), min_size=1, max_size=20),
    address_first=st.booleans(), quote_all=st.booleans(), ending=st.sampled_from(["\n", "\r\n", "\r"]),
    separator=st.sampled_from(",;\t|"),
)  # fmt: skip
def test_what_a_csv_writer_wrote_comes_back_as_it_was(
    captions: list[str], address_first: bool, quote_all: bool, ending: str, separator: str, tmp_path: Path
) -> None:
    import csv

    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(
            file, delimiter=separator, lineterminator=ending, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
        )
        writer.writerow(["url", "caption"] if address_first else ["caption", "url"])
        for number, caption in enumerate(captions):
            writer.writerow([url(number), caption] if address_first else [caption, url(number)])
    assume(ending != "\r" or not any(re.search("\r|\n", caption) for caption in captions))
    assume(not any("\r\r\n" in caption for caption in captions))
    assume(not (address_first and any(caption.endswith("\r") for caption in captions)))
    rows = rows_of(path)
    assert rows["fault"].to_list() == [None] * len(captions)
    assert rows["url"].to_list() == [url(number) for number in range(len(captions))]
    assert rows["caption"].fill_null("").to_list() == captions


@bounded
@given(
    count=st.integers(3, 60), places=st.sets(st.integers(0, 59), min_size=1, max_size=6), at=st.sampled_from([0, 1, 2]),
    address_first=st.booleans(), quoted=st.booleans(), ended=st.booleans(),
)  # fmt: skip
def test_a_stray_quote_costs_its_own_line_and_no_other(
    count: int, places: set[int], at: int, address_first: bool, quoted: bool, ended: bool, tmp_path: Path
) -> None:
    lines = []
    for number in range(count):
        caption = f"a goldfish {number}"
        if number in places:
            cut = (0, 5, len(caption))[at]
            caption = f'{caption[:cut]}"{caption[cut:]}'
        elif quoted:
            caption = f'"{caption}, big"'
        lines.append(f"{url(number)},{caption}" if address_first else f"{caption},{url(number)}")
    text = "\n".join([("url,caption" if address_first else "caption,url"), *lines]) + "\n" * ended
    (tmp_path / "t.csv").write_text(text)
    rows = rows_of(tmp_path / "t.csv")
    assert rows.height == count
    good = [number for number in range(count) if number not in places]
    assert rows["url"].gather(good).to_list() == [url(number) for number in good]
    strayed = rows.filter(pl.col("source_row").is_in(list(places)))
    assert strayed["fault"].is_in(["quote", None], nulls_equal=True).all()
    if at == 0:
        assert strayed["fault"].to_list() == ["quote"] * strayed.height
    else:  # a quote that opens no field stands for itself
        assert strayed["caption"].str.count_matches('"').to_list() == [1] * strayed.height


@bounded
@given(data=texts)
def test_every_line_of_a_tab_separated_table_is_a_row_or_a_reason(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(data)
    rows = read_or_refuse(path)
    if rows is None or is_utf16(data):
        return
    is_cr = b"\r" in data and b"\n" not in data
    fewest, most = (lines_count(data.removeprefix(b"\xef\xbb\xbf"), end) for end in (LINE_FEED, ANY_END))
    assert (most if is_cr else fewest) - rows.height in (0, 1) or (b"\r" in data and fewest < rows.height <= most)


@bounded
@given(data=texts)
@example(data=b'{"url":"http://a.example/1","caption":["a"]}\n{"url":"http://a.example/1","caption":"b","caption":"c"}')
def test_every_line_of_json_lines_is_a_row_or_a_reason(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(data)
    rows = read_or_refuse(path)
    if rows is not None and not is_utf16(data):
        assert rows.height == lines_count(data.removeprefix(b"\xef\xbb\xbf"), ANY_END)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
keys = st.sampled_from(["url", "URL", "caption", "TEXT", "text", "width", "punsafe", "NSFW", "NSFW ", "x"])


@bounded
@given(items=st.lists(st.dictionaries(keys, values, max_size=6), min_size=1, max_size=12))
def test_any_objects_are_read_whatever_the_others_hold(items: list[dict[str, Any]], tmp_path: Path) -> None:
    """A line's row is the same beside any others, but for which of two names of one field goes first."""
    whole = [{"url": url(0), "caption": "a goldfish"}, *items]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in whole))
    rows = read_or_refuse(path)
    if rows is None:
        return
    assert rows.height == len(whole)
    for item, row in zip(whole, rows.iter_rows(named=True), strict=True):
        held = [value for key, value in item.items() if key.lower() == "url"]
        texts = [value for value in held if isinstance(value, str) and value]
        if texts and row["fault"] is None:
            assert row["url"] is not None
        if row["url"] is None and row["fault"] is None:
            assert not texts


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda raw: gzip.compress(raw, mtime=0), "bz2": bz2.compress,
    "zst": lambda raw: bytes(pa.Codec("zstd").compress(raw)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
@bounded
@given(data=st.data())
def test_packed_tables_that_are_cut_or_changed_are_refused_by_name_or_read(
    kind: str, data: st.DataObject, tmp_path: Path
) -> None:
    separator = "," if kind == "csv" else "\t"
    lines = [f"url{separator}caption", *(f"{url(number)}{separator}a goldfish {number}" for number in range(40))]
    if kind == "jsonl":
        lines = [json.dumps({"url": url(number), "caption": "a goldfish"}) for number in range(40)]
    text = "\n".join(lines).encode()
    suffix = data.draw(st.sampled_from(list(PACKERS)))
    packed = bytearray(PACKERS[suffix](text))
    damage(packed, data)
    cut = data.draw(st.just(len(packed)) | st.integers(0, len(packed)))
    path = tmp_path / f"t.{kind}.{suffix}"
    path.write_bytes(bytes(packed[:cut]))
    rows = read_or_refuse(path)
    whole = PACKERS[suffix](text)
    if bytes(packed) == whole:
        assert (rows is None) == (cut < len(whole)) or cut == 0
        assert rows is None or rows.height == (len(lines) - (kind != "jsonl") if cut else 0)


ADDRESSES = {
    "URL": "http://a.example/{}.jpg", "no scheme": "//cdn.example/{}.jpg", "www": "www.a.example/{}",
    "host and path": "a.example/pictures/{}", "path": "train/n01440764/{}.JPEG", "name": "{}.png",
    "bucket": "s3://bucket/{}",
}  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=list(ADDRESSES))
@pytest.mark.parametrize(("opens", "closes"), [(3, 9), (3, 50), (0, 59), (17, 18), (40, None)])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_stray_quote_costs_its_own_line_whatever_addresses_look_like(
    tmp_path: Path, address: str, opens: int, closes: int | None, is_first: bool
) -> None:
    lines = ["url,caption" if is_first else "caption,url"]
    for number in range(60):
        caption = f"{chr(34) if number in (opens, closes) else ''}a goldfish {number}"
        pair = (address.format(number), caption)
        lines.append(",".join(pair if is_first else reversed(pair)))
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    rows = rows_of(tmp_path / "t.csv")
    assert rows.height == 60
    assert rows.filter(pl.col("fault").is_not_null()).height == (1 if closes is None else 2)


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=list(ADDRESSES))
def test_a_caption_of_several_lines_stays_one_row(tmp_path: Path, address: str) -> None:
    caption = "A goldfish, orange,\nin a bowl (see the shop, www. below):\n\nhttp: it is, perhaps, 5 inch"
    lines = [f'{address.format(number)},"{caption}"\n' for number in range(9)]
    (tmp_path / "t.csv").write_text("url,caption\n" + "".join(lines))
    rows = rows_of(tmp_path / "t.csv")
    assert rows["caption"].to_list() == [caption] * 9

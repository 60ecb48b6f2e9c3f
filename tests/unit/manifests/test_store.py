from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.files import digest_of, file_sha256, json_bytes, read_json, write_atomic, write_json
from relaionet.manifests.store import Store, write_parquet
from relaionet.manifests.tables import HITS
from relaionet.manifests.tables.schema import Table, check_table, columns, shape_table
from tests.unit.test_rooms import ROOMS, ROOT


def hits(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "class_index": [7] * count,
            "wnid": ["n01514668"] * count,
            "candidate_id": [str(number) for number in range(count)],
            "cosine": [0.5] * count,
            "rank": list(range(count)),
        }
    )


def test_a_written_table_reads_back_and_is_done_for_its_digest_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.is_done("hits", "d1")
    receipt = store.write(hits(3), HITS, "d1", seconds=1.23456)
    assert (receipt.rows_count, receipt.seconds) == (3, 1.235)
    assert store.is_done("hits", "d1")
    assert not store.is_done("hits", "d2")
    assert store.read(HITS).select(hits(3).columns).to_dicts() == hits(3).cast(HITS.schema).to_dicts()
    store.forget("hits")
    assert not store.is_done("hits", "d1")
    with pytest.raises(BadInput, match="was not finished"):
        store.read(HITS)


def test_shards_are_read_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.read_all(HITS).schema == HITS.schema
    for shard, start in (("00001", 2), ("00000", 0)):
        store.write(hits(4).slice(start, 2), HITS, "d", shard=shard)
    assert store.shards(HITS) == ["00000", "00001"]
    assert store.read_all(HITS)["rank"].to_list() == [0, 1, 2, 3]
    assert [receipt.shard for receipt in store.receipts(HITS)] == ["00000", "00001"]


def test_changed_bytes_and_broken_receipts_are_corrupt(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(hits(3), HITS, "d")
    data = store.path(HITS).read_bytes()
    store.path(HITS).write_bytes(data[:-1] + b"x")
    with pytest.raises(Corrupt, match="not what its receipt says"):
        store.read(HITS)
    for text in ('{"table": "hits"}', "[]", "{"):
        (tmp_path / "hits" / "all.receipt.json").write_text(text)
        with pytest.raises(Corrupt, match="is no receipt; delete it and run again"):
            store.receipt("hits")


def test_a_receipt_without_its_table_is_no_table(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(hits(3), HITS, "d")
    assert store.has_table(HITS, "d")
    store.path(HITS).unlink()
    assert store.is_done("hits", "d")
    assert not store.has_table(HITS, "d")


def test_a_refused_table_leaves_no_receipt_of_the_old_one_to_lie(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(Corrupt, match="stands twice"):
        store.write(pl.concat([hits(1), hits(1)]), HITS, "d")
    with pytest.raises(BadInput, match="missing column"):
        store.write(hits(1).drop("rank"), HITS, "d")
    assert not store.is_done("hits", "d")


@dataclass(frozen=True)
class Config:
    size: int = 3
    names: tuple[str, ...] = ("a",)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@given(JSON, JSON)
def test_equal_content_has_equal_digests_and_other_content_another(one: object, other: object) -> None:
    assert digest_of(one) == digest_of(one)
    if repr(one) != repr(other) and one != other:
        assert digest_of(one) != digest_of(other)


def test_digests_see_through_dataclasses_and_order_of_keys() -> None:
    assert digest_of(Config()) == digest_of({"names": ["a"], "size": 3})
    assert digest_of(Config()) != digest_of(Config(size=4))
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})
    long = [f"{row} é" for row in range(9000)]  # read in pieces, to the digest of the whole text
    text = json.dumps([["x", [], long, {"a": long}], None, long], separators=(",", ":"), ensure_ascii=False)
    assert digest_of(("x", [], long, {"a": long}), None, tuple(long)) == hashlib.sha256(text.encode()).hexdigest()
    assert digest_of({"x", "y"}) == digest_of({"y", "x"})
    with pytest.raises(BadInput, match="cannot digest"):
        digest_of(object())


def test_atomic_writes_leave_no_parts(tmp_path: Path) -> None:
    write_atomic(tmp_path / "deep" / "file", b"1")
    write_atomic(tmp_path / "deep" / "file", b"22")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]
    assert file_sha256(tmp_path / "deep" / "file") == "785f3ec7eb32f30b90cd0fcf3657d388b5ff4297f2f9716ff66e9b69c05ddd09"
    write_json(tmp_path / "x.json", {"é": [1]})
    assert read_json(tmp_path / "x.json") == {"é": [1]}
    with pytest.raises(BadInput, match="does not exist"):
        read_json(tmp_path / "none.json")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(Corrupt, match="is no JSON"):
        read_json(tmp_path / "x.json")


def test_a_table_written_before_a_column_was_added_is_read_with_nulls(tmp_path) -> None:
    rows = pl.DataFrame({"candidate_id": ["a", "b"], "round": [1, 2]}, schema_overrides={"round": pl.Int32})
    older = Table(name="seen", columns=columns("candidate_id str key\nround i32 round"))
    newer = Table(
        name="seen", columns=columns("candidate_id str key\nextra i32 new\nround i32 round"), later=("extra",)
    )
    store = Store(tmp_path)
    store.write(rows, older, "digest", shard="old")
    store.write(
        rows.with_columns(pl.lit(7).alias("extra"), candidate_id=pl.lit("c") + pl.col("candidate_id")), newer, "digest"
    )
    read = check_table(store.read_all(newer), newer)
    assert read.sort("candidate_id")["extra"].to_list() == [None, None, 7, 7]
    assert store.read(newer, "old", columns=["extra", "round"]).columns == ["extra", "round"]
    assert store.read(newer, "all", columns=["round", "extra"]).columns == ["round", "extra"]
    with pytest.raises(BadInput, match="missing column round"):
        shape_table(rows.drop("round"), newer)


def test_an_artifact_is_done_when_its_receipt_is_there_and_read_only_as_it_was_written(tmp_path: Path) -> None:
    store, path = Store(tmp_path), tmp_path / "fitted" / "fitted.json"
    with pytest.raises(BadInput, match="was not finished; fit again"):
        store.read_artifact(path, "fitted", remedy="fit again")
    receipt = store.write_artifact(path, json_bytes({"a": "é"}), "fitted", "d" * 64, rows_count=3, seconds=1.23456)
    assert path.read_text(encoding="utf-8") == '{\n  "a": "é"\n}\n'
    assert (receipt.table, receipt.shard, receipt.rows_count, receipt.seconds) == ("fitted", "all", 3, 1.235)
    assert receipt == store.receipt("fitted")
    assert receipt.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert store.read_artifact(path, "fitted") == path.read_bytes()
    assert store.has_artifact(path, "fitted", "d" * 64)
    assert not store.has_artifact(path, "fitted", "e" * 64)
    path.write_bytes(b"{}")
    with pytest.raises(Corrupt, match="not what its receipt says"):
        store.read_artifact(path, "fitted")
    path.unlink()
    assert not store.has_artifact(path, "fitted", "d" * 64)


def test_a_table_without_a_receipt_is_written_whole(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    write_parquet(tmp_path / "deep" / "a.parquet", rows)
    assert pl.read_parquet(tmp_path / "deep" / "a.parquet").equals(rows)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.parquet"]


def test_the_look_of_a_sha256_is_spelled_once() -> None:
    spelled = [
        file.relative_to(ROOT).as_posix()
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        if "0-9a-f]{64}" in file.read_text(encoding="utf-8")
    ]
    assert spelled == ["manifests/files.py"]

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CANDIDATES, check_table, count_statuses
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.candidates.stream import read_candidates
from tests.depth import deep

LAION_2B = {
    "URL": pl.String, "TEXT": pl.String, "WIDTH": pl.Int64, "HEIGHT": pl.Int64, "punsafe": pl.Float32,
    "pwatermark": pl.Float32,
}  # fmt: skip


def source_file(path: Path, rows: list[tuple[object, ...]]) -> Path:
    pl.DataFrame(rows, schema=LAION_2B, orient="row").write_parquet(path)
    return path


def url(number: int) -> str:
    return f"http://example.org/{number}.jpg"


ROWS: list[tuple[tuple[object, ...], str]] = [
    ((url(0), "a goldfish", 640, 480, 0.1, 0.1), "ok"),
    ((url(1), "nothing here", 640, 480, 0.1, 0.1), "no_label"),
    ((url(2), "a goldfish and a tench", 640, 480, 0.1, 0.1), "two_labels"),
    ((url(3), "a goldfish", 640, 40, 0.1, 0.1), "too_small"),
    ((url(4), "a goldfish", 640, 480, 0.9, 0.1), "unsafe"),
    ((url(5), "a goldfish", 640, 480, 0.1, 0.95), "watermark"),
    ((None, "a goldfish", 640, 480, 0.1, 0.1), "bad_url"),
    (("javascript:alert(1)", "a goldfish", 640, 480, 0.1, 0.1), "bad_url"),
    (("http://example.org/" + "x" * 10_000, "a goldfish", 640, 480, 0.1, 0.1), "bad_url"),
    (("http:///nohost", "a goldfish", 640, 480, 0.1, 0.1), "bad_url"),
    (("http://example.org/a\nb", "a goldfish", 640, 480, 0.1, 0.1), "bad_url"),
    ((url(0), "another goldfish", 640, 480, 0.1, 0.1), "repeated"),
    ((None, None, None, None, None, None), "bad_url"),
    ((url(6), None, 640, 480, 0.1, 0.1), "no_label"),
    ((url(7), "a goldfish", None, None, None, None), "ok"),
    ((url(8), "a goldfish", 640, 480, float("nan"), 0.1), "ok"),
    # a row that is rejected for itself keeps its status, and stands in nobody's way
    ((url(0), "nothing here", 640, 480, 0.1, 0.1), "no_label"),
    ((url(4), "a goldfish, said to be safe", 640, 480, 0.1, 0.1), "ok"),
    ((url(4), "and again a goldfish", 640, 480, 0.1, 0.1), "repeated"),
    (("file:///etc/passwd", "a goldfish", 640, 480, 0.1, 0.1), "bad_url"),
    (("HTTPS://example.org/", "a goldfish", 640, 480, 0.1, 0.1), "ok"),
    (("", "a goldfish", 640, 480, 0.1, 0.1), "bad_url"),
    ((url(9), "goldfish " * 200_000, 640, 480, 0.1, 0.1), "bad_text"),
    ((url(9), "a gold\x00fish", 640, 480, 0.1, 0.1), "bad_text"),
    ((url(9), "a\x1b[31m goldfish", 640, 480, 0.1, 0.1), "bad_text"),
    ((url(9), "a goldfish\n\tin two lines", 640, 480, 0.1, 0.1), "ok"),
    ((url(10), "a goldfish", 0, -5, 0.1, 0.1), "ok"),
]


def test_every_row_gets_the_status_it_deserves(tmp_path: Path) -> None:
    table = read_candidates(source_file(tmp_path / "s.parquet", [row for row, _ in ROWS]))
    check_table(table, CANDIDATES)
    assert table["status"].to_list() == [status for _, status in ROWS]
    assert table["url"].to_list() == [row[0] if row[0] is None else str(row[0])[:4096] for row, _ in ROWS]
    assert table["caption"].str.len_chars().max() == 10_000
    assert table["source_row"].to_list() == list(range(len(ROWS)))
    assert table.filter(pl.col("status") != "ok")["reason"].null_count() == 0
    assert table.filter(pl.col("status") == "ok")["reason"].null_count() == count_statuses(table)["ok"]


def test_ids_are_sha256_of_the_url_or_of_the_row(tmp_path: Path) -> None:
    table = read_candidates(source_file(tmp_path / "s.parquet", [row for row, _ in ROWS]))
    assert table["candidate_id"][0] == hashlib.sha256(url(0).encode()).hexdigest()
    assert table["candidate_id"][6] == hashlib.sha256(b"s.parquet#6").hexdigest()
    assert table["candidate_id"][7] == hashlib.sha256(b"javascript:alert(1)").hexdigest()
    assert table["candidate_id"][8] == hashlib.sha256(b"s.parquet#8").hexdigest()
    assert table.filter(pl.col("status") == "ok")["candidate_id"].is_unique().all()


def test_any_keeps_rows_the_caption_does_not_decide(tmp_path: Path) -> None:
    path = source_file(tmp_path / "s.parquet", [row for row, _ in ROWS])
    table = read_candidates(path, CandidatesConfig(captions="any"))
    undecided = table.filter(pl.col("candidate_id") == hashlib.sha256(url(2).encode()).hexdigest())
    assert undecided.select("status", "wnid").row(0) == ("ok", None)
    assert undecided["other_wnids"][0].to_list() == ["n01440764", "n01443537"]
    matched = read_candidates(path)
    still = table.filter(~matched["status"].is_in(["no_label", "two_labels"]))
    assert (
        still["status"].to_list()
        == matched.filter(~matched["status"].is_in(["no_label", "two_labels"]))["status"].to_list()
    )
    assert not set(table["status"]) & {"no_label", "two_labels"}


def test_limits_are_those_of_the_config(tmp_path: Path) -> None:
    path = source_file(tmp_path / "s.parquet", [row for row, _ in ROWS])
    loose = read_candidates(path, CandidatesConfig(min_side_px=0, max_punsafe=1, max_pwatermark=1))
    assert not set(loose["status"]) & {"too_small", "unsafe", "watermark"}
    short = read_candidates(path, CandidatesConfig(max_url_chars=24, max_caption_chars=10))
    assert "caption longer than 10 characters" in set(short["reason"])
    assert "URL longer than 24 characters" in set(short["reason"])
    assert short["caption"].str.len_chars().max() == 10


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"captions": "some"}, "expected one of 'match', 'any'"), ({"rule": "mine"}, "'relaionet', 'laionet'"),
        ({"keep_rows": "some"}, "'auto', 'all', 'named'"), ({"rows_per_shard": 0}, "rows_per_shard = 0"),
        ({"schema": "LAION"}, "is not known"), ({"columns": {"link": "URL"}}, "none of ours"),
    ],
)  # fmt: skip
def test_wrong_settings_are_found_at_once(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        CandidatesConfig(**wrong)


def test_the_rule_of_laionet_can_be_asked_for(tmp_path: Path) -> None:
    path = source_file(tmp_path / "s.parquet", [(url(0), "two goldfishes", 640, 480, 0.0, 0.0)])
    assert read_candidates(path)["status"].to_list() == ["ok"]
    assert read_candidates(path, CandidatesConfig(rule="laionet"))["status"].to_list() == ["no_label"]


def test_bytes_that_are_no_text_end_with_a_reason(tmp_path: Path) -> None:
    texts = pa.array([b"goldfish", b"gold\xff goldfish"]).view(pa.string())
    places = pa.array([b"http://a.example/\xff", b"http://a.example/"]).view(pa.string())
    pq.write_table(pa.table({"URL": places, "TEXT": texts}), tmp_path / "s.parquet")
    (tmp_path / "t.tsv").write_bytes(b"goldfish\thttp://b.example/\nno row\n")
    table = read_candidates([tmp_path / "s.parquet", tmp_path / "t.tsv"])
    assert table.select("status", "reason").rows() == [
        ("bad_url", "the URL is not text in UTF-8"),
        ("bad_text", "the caption is not text in UTF-8"),
        ("ok", None),
        ("malformed", "the line of the file has not the fields of a row"),
    ]
    assert table["candidate_id"][0] == hashlib.sha256(b"s.parquet#0").hexdigest()
    check_table(table, CANDIDATES)


def test_laion_400m_words_become_probabilities(tmp_path: Path) -> None:
    rows = {
        "SAMPLE_ID": [1, 2, 3, 4], "URL": [url(n) for n in range(4)], "TEXT": ["goldfish"] * 4, "HEIGHT": [300] * 4,
        "WIDTH": [300] * 4, "LICENSE": ["?"] * 4, "NSFW": ["UNLIKELY", "UNSURE", "NSFW", None], "similarity": [0.3] * 4,
    }  # fmt: skip
    pl.DataFrame(rows).write_parquet(tmp_path / "s.parquet")
    table = read_candidates(tmp_path / "s.parquet")
    assert table["punsafe"].to_list() == [0.0, 0.5, 1.0, None]
    assert table["status"].to_list() == ["ok", "ok", "unsafe", "ok"]


def test_folder_and_glob_read_every_file_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        source_file(tmp_path / f"{name}.parquet", [(f"http://example.org/{name}.jpg", "goldfish", 300, 300, 0.0, 0.0)])
    for source in (tmp_path, str(tmp_path / "*.parquet")):
        table = read_candidates(source)
        assert table["source"].to_list() == ["a.parquet", "b.parquet"]
        assert table["source_row"].to_list() == [0, 0]


def test_bad_sources_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_candidates(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no parquet at all, only words")
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        read_candidates(tmp_path / "text.parquet")
    pl.DataFrame({"URL": [url(1)], "WIDTH": [1], "HEIGHT": [1]}).write_parquet(tmp_path / "less.parquet")
    with pytest.raises(BadInput, match=r"columns URL, WIDTH, HEIGHT .* LAION-2B is nearest and lacks TEXT"):
        read_candidates(tmp_path / "less.parquet")
    path = source_file(tmp_path / "cut.parquet", [row for row, _ in ROWS] * 100)
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        read_candidates(path)


def test_no_rows_is_an_empty_table(tmp_path: Path) -> None:
    assert read_candidates(source_file(tmp_path / "s.parquet", [])).schema == CANDIDATES.schema


VALUES = st.tuples(
    st.one_of(st.none(), st.sampled_from([url(n) for n in range(4)]), st.text(max_size=30), st.just("https://a.b/c")),
    st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["crane", "a goldfish", "tench and hen"])),
    st.one_of(st.none(), st.integers(-5, 3000)),
    st.one_of(st.none(), st.integers(-5, 3000)),
    st.one_of(st.none(), st.floats(0, 1)),
    st.one_of(st.none(), st.floats(0, 1)),
)


@settings(max_examples=deep(15), deadline=None)
@given(rows=st.lists(VALUES, max_size=20), captions=st.sampled_from(["match", "any"]))
def test_no_row_vanishes(
    rows: list[tuple[object, ...]], captions: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = source_file(tmp_path_factory.mktemp("law") / "s.parquet", rows)
    parts: list[int] = []
    table = read_candidates(path, CandidatesConfig(captions=captions), parts.append)  # type: ignore[arg-type]
    check_table(table, CANDIDATES)
    assert table.height == len(rows) == sum(parts) == sum(count_statuses(table).values())
    assert table["caption"].to_list() == [row[1] for row in rows]
    ok = table.filter(pl.col("status") == "ok")
    assert ok["url"].is_unique().all()
    assert table.equals(read_candidates(path, CandidatesConfig(captions=captions)))  # type: ignore[arg-type]

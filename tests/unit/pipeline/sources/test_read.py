"""Sources of every known schema, kind and place, and what is said of those that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.sources.columns import find_schema, name_columns
from relaionet.pipeline.sources.parquet import ParquetTable
from relaionet.pipeline.sources.read import open_source
from relaionet.pipeline.sources.schemas import list_schemas
from tests.depth import deep
from tests.unit.pipeline.sources.builders import rows_of, table, url

COLUMNS = {
    "LAION-400M": "SAMPLE_ID URL TEXT HEIGHT WIDTH LICENSE NSFW similarity",
    "LAION-2B": "URL TEXT WIDTH HEIGHT similarity hash punsafe pwatermark",
    "Re-LAION": "url caption similarity hash pwatermark punsafe",
    "DataComp": "uid url text original_width original_height clip_b32_similarity_score clip_l14_similarity_score "
    "face_bboxes sha256",
    "COYO-700M": "id url text width height image_phash text_length word_count num_tokens_bert num_tokens_gpt num_faces "
    "clip_similarity_vitb32 clip_similarity_vitl14 nsfw_score_opennsfw2 nsfw_score_gantman watermark_score "
    "aesthetic_score_laion_v2",
    "plain": "Url Caption",
}


def schema_of(source: Any) -> str | None:
    found = open_source(source).parts[0].table.schema
    return found.name if found else None


@pytest.mark.parametrize("name", COLUMNS)
def test_published_tables_are_known_by_their_columns(name: str, tmp_path: Path) -> None:
    columns = COLUMNS[name].split()
    assert find_schema(columns)[0].name == name
    values: dict[str, Any] = {column: [1] for column in columns}
    values |= {column: [url(1)] for column in columns if column.lower() == "url"}
    values |= {column: ["a caption"] for column in columns if column.lower() in ("text", "caption")}
    values |= {"NSFW": ["UNSURE"]} if "NSFW" in columns else {}
    pl.DataFrame(values).write_parquet(tmp_path / "part.parquet")
    row = rows_of(tmp_path).row(0, named=True)
    assert (row["url"], row["caption"], row["source"], row["source_row"]) == (url(1), "a caption", "part.parquet", 0)
    has_sizes = name not in ("plain", "Re-LAION")
    assert (row["width_px"], row["height_px"]) == ((1, 1) if has_sizes else (None, None))
    scores = {"LAION-400M": (0.5, None), "DataComp": (None, None), "plain": (None, None)}
    assert (row["punsafe"], row["pwatermark"]) == scores.get(name, (1.0, 1.0))


def test_every_schema_can_be_asked_for_by_name(tmp_path: Path) -> None:
    for schema in list_schemas():
        columns = {names[0]: ["1"] for names in schema.columns.values()}
        pl.DataFrame(columns).write_parquet(tmp_path / "x.parquet")
        assert open_source(tmp_path / "x.parquet", schema.name.lower()).parts[0].table.schema == schema


def test_a_source_is_described_on_one_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        table(3, WIDTH=[1] * 3, HEIGHT=[1] * 3).write_parquet(tmp_path / f"{name}.parquet")
    assert open_source(tmp_path).describe() == "2 files, LAION-2B schema, 6 rows (not stated: punsafe, pwatermark)"
    (tmp_path / "c.tsv").write_text(f"{url(1)}\ta caption\n" * 100)
    assert "; 1 file, CC12M schema, 106 rows (" in open_source([tmp_path, tmp_path / "c.tsv"]).describe()
    (tmp_path / "c.tsv").write_text(f"{url(1)}\ta caption\n" * 30_000)
    both = open_source([tmp_path, tmp_path / "c.tsv"])
    assert both.describe().startswith("2 files, LAION-2B schema; 1 file, CC12M schema, about ")
    assert both.rows_count is None


def test_a_table_that_fits_none_is_said_with_the_nearest(tmp_path: Path) -> None:
    pl.DataFrame({"URL": [url(1)], "WIDTH": [1], "HEIGHT": [1]}).write_parquet(tmp_path / "less.parquet")
    with pytest.raises(
        BadInput, match=r"less.parquet: columns URL, WIDTH, HEIGHT .* LAION-2B is nearest and lacks TEXT"
    ):
        open_source(tmp_path)
    with pytest.raises(BadInput, match=r"'laion2b' is not known. Did you mean 'LAION-2B'"):
        open_source(tmp_path, "laion2b")
    with pytest.raises(BadInput, match="are not those of DataComp, which lacks url, text"):
        open_source(tmp_path, "DataComp")
    with pytest.raises(BadInput, match=r"'captions' is none of ours. Did you mean 'caption'"):
        open_source(tmp_path, columns={"captions": "WIDTH"})
    with pytest.raises(BadInput, match=r"there is no column 'URLS'. Did you mean 'URL'"):
        open_source(tmp_path, columns={"url": "URLS"})
    pl.DataFrame({"URL": [[url(1)]], "TEXT": ["x"]}).write_parquet(tmp_path / "less.parquet")
    with pytest.raises(BadInput, match=r"column 'URL' holds .*list.*; expected text"):
        open_source(tmp_path)


def test_columns_with_names_of_their_own_can_be_named(tmp_path: Path) -> None:
    pl.DataFrame({"link": [url(1)], "alt text": ["x"], "w": [7], "h": [8]}).write_parquet(tmp_path / "own.parquet")
    columns = {"url": "link", "caption": "alt text", "width_px": "w", "height_px": "h"}
    row = rows_of(tmp_path, columns=columns).row(0, named=True)
    assert (row["url"], row["caption"], row["width_px"], row["height_px"]) == (url(1), "x", 7, 8)


def test_naming_some_columns_takes_nothing_from_the_others(tmp_path: Path) -> None:
    names = {"link": [url(1)], "TEXT": ["x"], "WIDTH": [7], "HEIGHT": [8], "NSFW": ["NSFW"]}
    pl.DataFrame(names).write_parquet(tmp_path / "own.parquet")
    row = rows_of(tmp_path, columns={"url": "link"}).row(0, named=True)
    assert (row["url"], row["caption"], row["width_px"], row["punsafe"]) == (url(1), "x", 7, 1)
    row = rows_of(tmp_path, columns={"url": "link", "caption": "TEXT"}).row(0, named=True)
    assert (row["url"], row["caption"], row["width_px"], row["height_px"]) == (url(1), "x", 7, 8)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "pack"),
    [("t.tsv", bytes), ("t.tsv.gz", gzip.compress), ("t.txt.bz2", bz2.compress), ("t.tsv.zst", None)],
)
def test_tab_separated_tables_without_names_are_known_by_where_the_addresses_stand(
    name: str, pack: Callable[[bytes], bytes] | None, ending: str, tmp_path: Path
) -> None:
    def packed(text: str) -> bytes:
        return bytes(pa.Codec("zstd").compress(text.encode())) if pack is None else pack(text.encode())

    lines = [(f'a "quoted, {n} caption', url(n)) for n in range(300)]
    (tmp_path / name).write_bytes(packed("".join(f"{text}\t{place}{ending}" for text, place in lines)))
    assert schema_of(tmp_path / name) == "CC3M"
    rows = rows_of(tmp_path / name, batch_rows=70)
    assert list(rows.select("caption", "url").iter_rows()) == lines
    (tmp_path / name).write_bytes(packed("".join(f"{place}\t{text}{ending}" for text, place in lines)))
    assert schema_of(tmp_path / name) == "CC12M"
    assert list(rows_of(tmp_path / name).select("caption", "url").iter_rows()) == lines
    (tmp_path / name).write_bytes(packed(f"url\tcaption{ending}{url(1)}\tx{ending}"))
    assert schema_of(tmp_path / name) == "plain"
    assert rows_of(tmp_path / name).height == 1


def test_comma_separated_tables_and_json_lines(tmp_path: Path) -> None:
    table(3, WIDTH=["1", "2.0", "wide"]).with_columns(TEXT=pl.lit('two\nlines, "said"')).write_csv(tmp_path / "t.csv")
    rows = rows_of(tmp_path / "t.csv")
    assert rows["caption"].to_list() == ['two\nlines, "said"'] * 3
    assert rows["width_px"].to_list() == [1, 2, None]
    items = [
        {"url": url(1), "text": "a", "width": 5},
        {"text": "b"},
        {"url": url(2), "text": None},
        {"url": 7, "text": "c"},
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items) + "no json\n[1]\n")
    rows = rows_of(tmp_path / "t.jsonl")
    assert rows["url"].to_list() == [url(1), None, url(2), "7", None, None]
    assert rows["fault"].to_list() == [None] * 4 + ["line"] * 2
    assert rows["width_px"].to_list()[0] == 5


def test_names_of_columns_are_found_in_the_first_line() -> None:
    assert name_columns([["url", "caption"], [url(1), "x"]]) == (["url", "caption"], True)
    assert name_columns([["javascript:x", "x"], [url(1), "x"], [url(2), "y"]]) == (["url", "caption"], False)
    assert name_columns([["a", "b", "c"], ["d", url(1), "e"]]) == (["column 1", "column 2", "column 3"], False)
    assert name_columns([["a", "b"], ["c", "d"]]) == (["a", "b"], True)
    assert name_columns([]) == ([], False)


def test_a_table_without_names_and_of_many_columns_wants_them_named(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(f"7\t{url(1)}\tgoldfish\n" * 3)
    with pytest.raises(BadInput, match="columns column 1, column 2, column 3 fit no known"):
        open_source(tmp_path / "t.tsv")
    rows = rows_of(tmp_path / "t.tsv", columns={"url": "column 2", "caption": "column 3"})
    assert list(rows.select("url", "caption").iter_rows()) == [(url(1), "goldfish")] * 3


def test_lines_that_are_no_rows_are_rows_with_a_fault(tmp_path: Path) -> None:
    lines = [
        b"a goldfish\t" + url(1).encode(), b"", b"only a caption", b"one\ttoo\tmany",
        b"\xff\xfe bytes\t" + url(2).encode(), b"caption\thttp://\xff",
        b"x" * (5 << 20) + b"\t" + url(3).encode(), b"y" * 1_000_000 + b"\t" + url(4).encode(),
        b"\t" + url(5).encode(), b"last\t" + url(6).encode(),
    ]  # fmt: skip
    (tmp_path / "t.tsv").write_bytes(b"\n".join(lines))
    rows = rows_of(tmp_path, max_chars=2000)
    assert rows["fault"].to_list() == [None, *["line"] * 3, "caption", "url", "line", None, None, None]
    assert rows["source_row"].to_list() == list(range(len(lines)))
    assert rows["caption"].to_list()[4] == "\N{REPLACEMENT CHARACTER}" * 2 + " bytes"
    assert rows["caption"].str.len_chars().max() == 2000
    assert rows["caption"].to_list()[8] is None


def test_parquet_texts_that_are_not_utf8_cost_their_own_row(tmp_path: Path) -> None:
    broken = pa.array([b"goldfish", b"\xff\xfe", None, "t\u00eate".encode()]).view(pa.string())
    places = pa.array([url(n).encode() for n in range(3)] + [b"http://\xc3"]).view(pa.string())
    pq.write_table(pa.table({"URL": places, "TEXT": broken}), tmp_path / "t.parquet")
    rows = rows_of(tmp_path)
    assert rows["fault"].to_list() == [None, "caption", None, "url"]
    assert rows["caption"].to_list() == ["goldfish", "\N{REPLACEMENT CHARACTER}" * 2, None, "tête"]
    pq.write_table(
        pa.table({"URL": places.dictionary_encode(), "TEXT": broken.view(pa.binary())}), tmp_path / "t.parquet"
    )
    assert rows_of(tmp_path).equals(rows)


def test_long_texts_are_cut_while_reading_and_repeated_ones_are_never_written_out(tmp_path: Path) -> None:
    texts = ["é" * 1_000_000, "short", None] + ["x" * 1_000_000] * 200
    pl.DataFrame({"URL": url(1), "TEXT": texts}).write_parquet(tmp_path / "t.parquet")
    looked = open_source(tmp_path).parts[0].table
    assert isinstance(looked, ParquetTable)
    assert looked.repeating == ("TEXT", "URL")
    rows = rows_of(tmp_path, max_chars=1001)
    assert rows["caption"].str.len_chars().to_list() == [1001, 5, None] + [1001] * 200
    assert rows["fault"].null_count() == rows.height


@pytest.mark.parametrize("dtype", [pl.Int16, pl.Float64, pl.String, pl.Categorical, pl.Decimal(10, 2), pl.Boolean])
def test_numbers_of_any_type_are_read_and_texts_too(dtype: Any, tmp_path: Path) -> None:
    values = pl.Series([1, None]).cast(dtype) if dtype == pl.Boolean else pl.Series(["640", None]).cast(pl.Int16).cast(
        pl.String if dtype == pl.Categorical else dtype).cast(dtype)  # fmt: skip
    table(2, WIDTH=values, punsafe=values).write_parquet(tmp_path / "t.parquet")
    rows = rows_of(tmp_path)
    assert rows["width_px"].to_list() == [1 if dtype == pl.Boolean else 640, None]
    assert rows["punsafe"].to_list() == [1.0, None]


def test_numbers_that_are_none_count_as_not_stated(tmp_path: Path) -> None:
    sizes = ["640", " 7 ", "wide", "-5", "0", "1e400", "nan", None]
    scores = [0.25, float("nan"), float("inf"), -0.5, 7.0, None, 0.0, 1.0]
    table(8, WIDTH=sizes, punsafe=scores).write_parquet(tmp_path / "t.parquet")
    rows = rows_of(tmp_path)
    assert rows["width_px"].to_list() == [640, 7, *[None] * 6]
    assert rows["punsafe"].to_list() == [0.25, None, 1.0, None, 1.0, None, 0.0, 1.0]


def test_a_caption_column_of_numbers_is_read_as_text(tmp_path: Path) -> None:
    pl.DataFrame({"URL": [url(1)], "TEXT": [12]}).write_parquet(tmp_path / "t.parquet")
    assert rows_of(tmp_path)["caption"].to_list() == ["12"]


@settings(max_examples=deep(25), deadline=None)
@given(
    rows=st.integers(0, 40), group=st.integers(1, 12), batch=st.integers(1, 9), skip=st.integers(0, 45),
    kind=st.sampled_from(["parquet", "tsv", "csv", "jsonl"]),
)  # fmt: skip
def test_batches_and_skips_give_the_same_rows(
    rows: int, group: int, batch: int, skip: int, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("law") / f"t.{kind}"
    written = table(rows)
    if kind == "parquet":
        written.write_parquet(path, row_group_size=group)
    elif kind == "jsonl":
        written.write_ndjson(path)
    else:
        written.write_csv(path, separator="\t" if kind == "tsv" else ",")
    whole = rows_of(path)
    assert whole["caption"].to_list() == written["TEXT"].to_list()
    assert rows_of(path, batch_rows=batch, skip={path.name: skip}).equals(whole.slice(skip))

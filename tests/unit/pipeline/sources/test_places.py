"""Where sources may lie: files, folders, globs, web servers, buckets and the Hub; and what cannot be read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.pipeline.sources import read as sources
from relaionet.pipeline.sources.files import check_address, list_files
from relaionet.pipeline.sources.read import open_source, read_batches
from tests.fakes.hub.server import serve_hub
from tests.unit.pipeline.sources.builders import rows_of, table, url
from tests.unit.pipeline.sources.servers import serve_files


def test_places_are_files_folders_globs_and_lists_of_them_in_one_order(tmp_path: Path) -> None:
    for name in ("b", "a", "deep/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        table(2).write_parquet(tmp_path / f"{name}.parquet")
    for name in (".part-0.parquet.crc", "_SUCCESS", "_metadata.parquet", "README.md", "notes.tsv"):
        (tmp_path / name).write_text("")
    assert [part.name for part in open_source(tmp_path).parts] == ["a.parquet", "b.parquet"]
    assert [part.name for part in open_source(str(tmp_path / "**/*.parquet")).parts][-1] == "c.parquet"
    listed = [tmp_path / "b.parquet", tmp_path, f"file://{tmp_path}/a.parquet"]
    assert list_files(listed) == list_files(tmp_path) == list_files(list(reversed(listed)))
    (tmp_path / "deep" / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes())
    names = [part.name for part in open_source([tmp_path, tmp_path / "deep"]).parts]
    assert names == [f"{tmp_path.name}/a.parquet", f"{tmp_path.name}/b.parquet", "deep/a.parquet", "deep/c.parquet"]
    only = tmp_path / "below"
    (only / "data").mkdir(parents=True)
    table(2).write_parquet(only / "data" / "x.parquet")
    assert [part.name for part in open_source(only).parts] == ["x.parquet"]


def test_what_cannot_be_read_is_said_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        open_source(tmp_path / "none.parquet")
    with pytest.raises(BadInput, match="no such file, folder with tables"):
        open_source(tmp_path)
    with pytest.raises(BadInput, match="names no place"):
        open_source([])
    with pytest.raises(BadInput, match=r"htps:// is none of the schemes known .* Did you mean 'https'"):
        open_source("htps://bucket/x.parquet")
    (tmp_path / "x.docx").write_text("x")
    with pytest.raises(BadInput, match=r"unknown kind of file; expected .parquet"):
        open_source(tmp_path / "x.docx")
    table(1000).write_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for data in (b"", b"no parquet at all", whole[: len(whole) // 2], whole[:-1]):
        (tmp_path / "t.parquet").write_bytes(data)
        with pytest.raises(BadInput, match=r"t.parquet: cannot be read as parquet"):
            open_source(tmp_path / "t.parquet")
    (tmp_path / "t.tsv").write_bytes(whole)
    with pytest.raises(BadInput, match=r"t.tsv: its bytes are not those of a tsv file"):
        open_source(tmp_path / "t.tsv")
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(b"x\thttp://a\n" * 100_000)[:-50])
    with pytest.raises(BadInput, match=r"t.tsv.gz: cannot be read as tsv"):
        rows_of(tmp_path / "t.tsv.gz")


def test_a_file_without_rows_is_no_error(tmp_path: Path) -> None:
    for name in ("t.tsv", "t.csv", "t.jsonl"):
        (tmp_path / name).write_text("")
        assert rows_of(tmp_path / name).height == 0
    table(0).write_parquet(tmp_path / "t.parquet")
    assert rows_of(tmp_path / "t.parquet").height == 0


def test_damage_inside_a_parquet_file_is_said_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table(5000).write_parquet(path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"t.parquet: cannot be read as parquet"):
        rows_of(path)


def test_an_address_that_holds_a_secret_is_refused_and_not_shown() -> None:
    for place in (
        "https://me:hush@example.org/x.parquet", "https://example.org/x.parquet?X-Amz-Signature=hush",
        "https://example.org/x.parquet?sv=1&sig=hush", "https://example.org/x.parquet?token=hush", "s3://key:hush@bucket/x",
    ):  # fmt: skip
        with pytest.raises(BadInput, match="holds a secret") as caught:
            list_files(place)
        assert "hush" not in str(caught.value)
    check_address("https://example.org/x.parquet?download=true&design=1")


def test_a_web_server_is_read_in_parts(tmp_path: Path) -> None:
    table(5000).write_parquet(tmp_path / "t.parquet", row_group_size=1000)
    with serve_files(tmp_path) as server:
        place = f"{server.url}/t.parquet"
        source = open_source(place)
        assert source.rows_count == 5000
        assert source.parts[0].name == "t.parquet"
        server.asked.clear()
        rows = pl.concat(read_batches(source, skip={"t.parquet": 4500}))
        assert rows["source_row"].to_list() == list(range(4500, 5000))
        read = sum(int(end) - int(start) + 1 for method, _, span, _ in server.asked if method == "GET" and span
                   for start, _, end in [span.removeprefix("bytes=").partition("-")])  # fmt: skip
        # the footer and one of five row groups
        assert read < (tmp_path / "t.parquet").stat().st_size * 0.8 + 65536
        table(5000, TEXT=["other"] * 5000).write_parquet(tmp_path / "t.parquet", row_group_size=1000)
        assert open_source(place).parts[0].identity != source.parts[0].identity
        (tmp_path / "t.tsv").write_text(f"a caption\t{url(1)}\n" * 1000)
        assert rows_of(f"{server.url}/t.tsv").height == 1000
        with pytest.raises(BadInput, match="there is no such file"):
            open_source(f"{server.url}/none.parquet")


def test_a_server_that_fails_for_a_moment_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "RETRY_S", (0.01, 0.01, 0.01))
    table(5000).write_parquet(tmp_path / "t.parquet", row_group_size=1000)
    with serve_files(tmp_path) as server:
        source = open_source(f"{server.url}/t.parquet")
        batches = read_batches(source, batch_rows=500)
        rows = [next(batches)]
        server.failing = 2
        rows += list(batches)
        assert pl.concat(rows)["source_row"].to_list() == list(range(5000))
        server.failing = 100
        with pytest.raises(Unavailable, match="503"):
            list(read_batches(source))
    with pytest.raises(Unavailable, match="cannot be read now"):
        open_source("http://127.0.0.1:9/t.parquet")


def test_a_server_that_gives_no_parts_is_said(tmp_path: Path) -> None:
    table(5).write_parquet(tmp_path / "t.parquet")
    with serve_files(tmp_path, ranges=False) as server, pytest.raises(BadInput, match="does not give parts of files"):
        open_source(f"{server.url}/t.parquet")


def test_a_bucket_is_listed_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "bucket" / "data"
    data.mkdir(parents=True)
    for name in ("a", "b"):
        table(50).write_parquet(data / f"{name}.parquet")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with serve_files(tmp_path, as_bucket=True) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for place in ("s3://bucket/data", "s3://bucket", "s3://bucket/*/*.parquet"):
            rows = rows_of(place)
            assert rows.group_by("source").len().sort("source").rows() == [("a.parquet", 50), ("b.parquet", 50)]
        identities = {open_source(f"s3://bucket/data{rest}").parts[0].identity for rest in ("", "/a.parquet")}
        assert len(identities) == 1
        assert not any("authorization" in headers for *_, headers in server.asked)
        with pytest.raises(BadInput, match="there is no such file"):
            open_source("s3://bucket/none.parquet")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        server.asked.clear()
        assert rows_of("s3://bucket/data/a.parquet").height == 50
        assert all("Credential=key" in headers["authorization"] for *_, headers in server.asked)


def test_the_hub_is_read_where_hf_endpoint_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "datasets" / "laion" / "tiny" / "data"
    data.mkdir(parents=True)
    rows = table(50).rename({"URL": "url", "TEXT": "caption"}).with_columns(punsafe=0.1, pwatermark=0.2)
    rows.write_parquet(data / "part-0.parquet")
    (data / ".part-0.parquet.crc").write_text("x")
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # read once, when another test imported it
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with serve_hub(tmp_path) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        for rest in ("", "/data/*.parquet", "@main/data/part-0.parquet"):
            source = open_source(f"hf://datasets/laion/tiny{rest}")
            assert source.describe() == "1 file, Re-LAION schema, 50 rows (not stated: sizes)"
            assert pl.concat(read_batches(source))["source"].unique().to_list() == ["part-0.parquet"]
        hub.add("datasets", "laion/secret", tmp_path / "datasets" / "laion" / "tiny", private=True)
        with pytest.raises(BadInput, match="there is none, or not for you"):
            open_source("hf://datasets/laion/secret")
        monkeypatch.setenv("HF_TOKEN", hub.token)
        assert rows_of("hf://datasets/laion/secret").height == 50


def test_a_hub_that_does_not_answer_is_not_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(sources, "RETRY_S", ())
    with pytest.raises(Unavailable, match="cannot be read now"):
        open_source("hf://datasets/laion/tiny")


def test_identity_changes_with_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    for small_bytes in (sources.SMALL_FILE_BYTES, 0):
        monkeypatch.setattr(sources, "SMALL_FILE_BYTES", small_bytes)
        table(50).write_parquet(path)
        os.utime(path, (1, 1))
        before = open_source(path).parts[0].identity
        assert open_source(path).parts[0].identity == before
        table(50, TEXT=["captain 1"] * 50).write_parquet(path)
        os.utime(path, (1, 1))
        assert open_source(path).parts[0].identity != before

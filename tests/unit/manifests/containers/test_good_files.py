"""The door lets through what people really have: every form of tar, large arrays, checkpoints, tables of any writer."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from relaionet.evaluators.generators.sample_files import look_into, look_into_npz
from relaionet.manifests.containers.limits import STREAM
from relaionet.manifests.containers.parquet import open_parquet
from relaionet.manifests.containers.tar import walk_tar
from relaionet.manifests.containers.texts import parse_json, parse_toml
from relaionet.pipeline.arrays import map_npy, read_npz
from relaionet.pipeline.tensors import read_weights
from tests.unit.pipeline.embeddings.test_dataset import picture

NAMES = ("a.jpg", "x" * 90 + "/" + "y" * 120 + ".jpg", "ü/é.png", "22.05/a 1.txt")


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_is_walked_as_python_walks_it(form: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for number, name in enumerate(NAMES):
            add(archive, name, b"x" * (number * 500))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, "a.jpg"
        archive.addfile(link)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        theirs = [(one.name, one.offset_data, one.size) for one in archive if one.isfile()]
    ours = list(walk_tar(io.BytesIO(out.getvalue())))
    assert [(one.name, one.start, one.size) for one in ours if one.kind == "file"] == theirs
    assert [one.kind for one in ours[-2:]] == ["folder", "link"]


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz"])
def test_samples_in_a_packed_tar_are_read(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"a.tar.{packing}"
    with tarfile.open(path, f"w:{packing}") as archive:
        for number in range(3):
            add(archive, f"n01440764/{number}.png", picture(number, "PNG", (32, 32)))
    found = look_into(path, None)
    assert [found.read(name).shape for name in found.places[0]] == [(32, 32, 3)] * 3


def test_a_large_npz_of_samples_is_mapped_and_its_rows_alone_are_read(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (400, 256, 256, 3), dtype=np.uint8)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", arr_0=rows, arr_1=np.arange(400))
        found = look_into_npz(tmp_path / "a.npz")
        assert isinstance(found.read.args[0], np.memmap)
        np.testing.assert_array_equal(found.read("399"), rows[399])
        assert found.places[7] == ["7"]


def test_arrays_of_every_kind_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    given = {
        "f": np.asfortranarray(np.arange(12.0).reshape(3, 4)), "h": np.ones((2, 0), np.float16), "s": np.array(7),
        "u": np.array(["a", "bcd"]), "b": np.array([b"ab", b"c"]), "t": np.array([True, False]), "e": np.zeros((0, 5)),
        "big": np.arange(5, dtype=">i4"),
    }  # fmt: skip
    np.savez(tmp_path / "a.npz", **given)
    found = read_npz(tmp_path / "a.npz")
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(map_npy(tmp_path / f"{name}.npy"), array)


def test_checkpoints_as_torch_writes_them_are_read(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.BatchNorm1d(20))
    network(torch.randn(4, 10)).sum().backward()
    optimiser = torch.optim.AdamW(network.parameters())
    optimiser.step()
    shared = torch.randn(3, 3)
    whole = {
        "model": network.state_dict(), "optimiser": optimiser.state_dict(), "step": 10**12, "name": "ü",
        "half": torch.ones(2, dtype=torch.bfloat16), "parameter": torch.nn.Parameter(torch.ones(3)),
        "same": [shared, shared.t(), shared[1]], "seen": torch.zeros(1).expand(50, 2), "size": torch.Size([1, 2]),
    }  # fmt: skip
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        torch.save(whole, tmp_path / "a.pt", **options)
        found = read_weights(tmp_path / "a.pt")
        torch.testing.assert_close(found["model"]["0.weight"], network[0].weight.detach())
        assert found["step"] == 10**12
        assert found["same"][1].equal(shared.t())


@pytest.mark.parametrize(
    "options",
    [
        {}, {"use_dictionary": False}, {"data_page_version": "2.0", "compression": "gzip"}, {"compression": "none"},
        {"use_dictionary": False, "column_encoding": {"url": "DELTA_BYTE_ARRAY", "n": "DELTA_BINARY_PACKED"}},
        {"use_dictionary": False, "column_encoding": {"url": "DELTA_LENGTH_BYTE_ARRAY", "n": "BYTE_STREAM_SPLIT"}},
        {"write_page_index": True, "write_statistics": True, "compression": "brotli"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_local", [True, False])
def test_tables_are_read_whoever_wrote_them(tmp_path: Path, options: dict, is_local: bool) -> None:
    urls = [f"http://h{n % 97}/{n}.jpg" if n % 11 else None for n in range(5000)]
    table = pa.table({"url": urls, "n": pa.array(range(5000), pa.int32())})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1300, **options)
    source = tmp_path / "a.parquet" if is_local else (tmp_path / "a.parquet").open("rb")
    with open_parquet(source, STREAM, dictionaries=True) as file:
        frames = [pl.DataFrame(pa.Table.from_batches([batch])) for batch in file.batches(1000, ["url", "n"])]
    found = pl.concat([frame.with_columns(pl.col("url").cast(pl.String)) for frame in frames])
    assert found["url"].to_list() == urls
    assert found["n"].to_list() == list(range(5000))


def test_polars_own_tables_are_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"url": [f"http://a/{n}" for n in range(900)], "list": [[n] * (n % 4) for n in range(900)]})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=200)
    with open_parquet(tmp_path / "a.parquet", STREAM) as file:
        assert sum(batch.num_rows for batch in file.batches(64, ["url", "list"])) == 900


def test_texts_that_are_long_and_flat_are_parsed() -> None:
    assert len(parse_json(b"[" + b'{"a": ["]", "[["], "b": "\\"["},' * 50_000 + b"1]")) == 50_001
    assert parse_json("\ufeff[1]") == parse_json("[1]".encode("utf-16")) == [1]
    text = "".join(f"[t{n}]\nk = [0.1, 0.2, {{x = 'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s'}}]\n" for n in range(2000))
    assert len(parse_toml(text + '[z]\nlong = """\n[[[[[[[[[[[[[[[[[[[[[[[[\n"""')) == 2001

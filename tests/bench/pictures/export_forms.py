"""A split as WebDataset and parquet, against the formats' own writers, which check nothing; ours hash all twice."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from relaionet.pipeline.splits.export import ExportConfig, export_split
from tests.bench.row import Row
from tests.fakes.hub.splits import make_split

IMAGES_COUNT, REPEATS = 2_000, 3
MEBIBYTE = 2**20


def grow(split: Path) -> None:
    """Give the split's pictures the size of web photos, about 120 kB each."""
    import hashlib

    import polars as pl

    from relaionet.manifests.store import Store
    from relaionet.manifests.tables import SPLIT

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=85)
    rows = Store(split).read_all(SPLIT)
    hashes = []
    for number, path in enumerate(rows["path"].drop_nulls()):
        data = out.getvalue() + number.to_bytes(4, "big")
        (split / path).write_bytes(data)
        hashes.append(hashlib.sha256(data).hexdigest())
    kept = rows.filter("kept").with_columns(
        image_sha256=pl.Series(hashes), bytes_count=pl.lit(len(out.getvalue()) + 4, dtype=pl.Int64)
    )
    Store(split).write(kept, SPLIT, "0" * 64)


def best(work: Callable[[Path], object]) -> float:
    """Least seconds of several runs, each into a folder of its own."""
    seconds = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            work(Path(folder) / "out")
            seconds.append(time.perf_counter() - started)
    return min(seconds)


def write_bare_tars(files: list[Path], out: Path) -> None:
    """What a user would write himself: webdataset's ShardWriter, no checks."""
    from webdataset import ShardWriter

    out.mkdir()
    with ShardWriter(str(out / "%06d.tar"), maxsize=256 * MEBIBYTE, verbose=0) as writer:
        for file in files:
            writer.write(
                {"__key__": file.stem, "jpg": file.read_bytes(), "cls": 7, "json": {"candidate_id": file.stem}}
            )


def write_bare_parquet(files: list[Path], out: Path) -> None:
    """What a user would write himself: datasets' own parquet writer with the bytes inside."""
    import datasets

    datasets.disable_progress_bars()
    out.mkdir()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": [str(file) for file in files], "label": [7] * len(files)}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    table = datasets.table.embed_table_storage(dataset.data.table)
    datasets.Dataset(table).to_parquet(str(out / "0.parquet"))


def measure() -> list[Row]:
    """Seconds of an export, hashing every image on the way, against writers that check nothing."""
    with tempfile.TemporaryDirectory() as folder:
        _, split = make_split(Path(folder), IMAGES_COUNT + 1)
        grow(split)
        files = sorted((split / "images").glob("*/*.*"))
        bare = {"webdataset": write_bare_tars, "parquet": write_bare_parquet}
        rows = []
        for format, write_bare in bare.items():
            config = ExportConfig(format=format)
            ours, peer = best(partial(export_split, split, config)), best(partial(write_bare, files))
            unit = f"s for {IMAGES_COUNT} images (bare writer, no checks)"
            rows.append(Row(name=f"export {format}", ours=ours, peer=peer, goal="<=2", unit=unit))
        return rows

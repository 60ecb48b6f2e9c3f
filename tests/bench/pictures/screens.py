"""The screens of 200,000 made rows as `curate` runs them: rows per second, and peak memory in a process of its own.

Twenty shards of 10,000 rows hold made prints, hashes and float16 rows of 64 around 20,000 centres; one picture in
twenty is another one again, cropped or brighter, and a reference set of 20,000 holds 1,000 of them. Measured are

  screens_measure   pixels: one shard of 2,000 JPEGs of 500 px, per shard as the flow does it, against decoding them
  screens_compare   all else over all rows at once, against embedding as many pictures with ViT-B-32
  screens_memory    of that, what the process's peak grew by against the stated 10 kB a row
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from tests.bench.retrieval.search_memory import status_bytes
from tests.bench.row import Row

ROWS_COUNT, PER_SHARD, DIM = 200_000, 10_000, 64
CENTRES, SPREAD = 20_000, 0.45
COPIES_FRAC = 0.05
REFERENCE_COUNT, LEAKS_COUNT = 20_000, 1000
PICTURES_COUNT, PICTURE_PX = 2000, (500, 375)
BYTES_PER_ROW = 10_000
EMBEDDED_COUNT = 128
PRINT_SIDE, GRID = 32, 5


class MadeEncoder:
    """Stands for an encoder whose rows are there already."""

    name, dim, fingerprint, device = "made", DIM, "made", "cpu"

    def preprocess(self, image: Any) -> Any:
        raise NotImplementedError

    encode_images = encode_texts = preprocess


def made_encoder() -> MadeEncoder:
    return MadeEncoder()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_prints(grids: np.ndarray) -> np.ndarray:
    """[N, GRID, GRID] grey values -> [N, 1024] uint8 smooth pictures of them."""
    places = np.linspace(0, GRID - 1, PRINT_SIDE)
    weights = np.clip(1 - np.abs(places[:, None] - np.arange(GRID)), 0, None)  # [32, GRID]
    return (weights @ grids @ weights.T).round().astype(np.uint8).reshape(len(grids), -1)


def make_pictures(count: int, seed: int) -> dict[str, np.ndarray]:
    """Prints, hash bits of which half are set, and unit rows; the last of them other pictures again."""
    rng = np.random.default_rng(seed)
    copies = int(count * COPIES_FRAC)
    of = rng.integers(0, count - copies, copies)
    prints = make_prints(rng.uniform(0, 255, (count, GRID, GRID)))
    bits = rng.random((count, 64)).argsort(axis=1) < 32
    centres = unit(np.random.default_rng(0).standard_normal((CENTRES, DIM)))
    vectors = centres[rng.integers(0, CENTRES, count)] + rng.standard_normal((count, DIM)) * SPREAD / np.sqrt(DIM)
    prints[-copies:] = np.clip(prints[of] * 1.15 + 4, 0, 255)
    bits[-copies:] = bits[of] ^ (rng.random((copies, 64)) < 0.04)
    vectors[-copies:] = unit(vectors[of]) + rng.standard_normal((copies, DIM)) * 0.2 / np.sqrt(DIM)
    return {"prints": prints, "hashes": np.packbits(bits, axis=1), "vectors": unit(vectors).astype(np.float16)}


def hexes(rows: np.ndarray) -> list[str]:
    return [row.tobytes().hex() for row in rows]


def write_run(root: Path, made: dict[str, np.ndarray]) -> None:
    """All tables that the comparison reads, in shards."""
    from relaionet.manifests.store import Store
    from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, EMBEDDINGS, MEASURED, PROPOSALS, shape_table
    from relaionet.pipeline.embeddings.store import write_embeddings

    store = Store(root)
    for start in range(0, ROWS_COUNT, PER_SHARD):
        part, shard = slice(start, start + PER_SHARD), f"{start // PER_SHARD:05d}"
        numbers = list(range(start, start + PER_SHARD))
        ids = [f"{number * 2654435761 % 2**32:064x}" for number in numbers]
        rows = pl.DataFrame({"candidate_id": ids}).with_columns(
            url=pl.lit("http://pictures.example/") + pl.col("candidate_id"), caption=pl.lit("a photo of a crane"),
            status=pl.lit("ok"), source=pl.lit("rows.parquet"), wnid=pl.lit("n02012849"), punsafe=pl.lit(0.01),
            image_sha256="candidate_id", path="candidate_id", width_px=pl.lit(500), height_px=pl.lit(375),
            phash=pl.Series(hexes(made["hashes"][part])), print=pl.Series(hexes(made["prints"][part])),
            phash_mirrored=pl.Series(hexes(made["hashes"][part][:, ::-1])), contrast=pl.lit(50.0),
            palette_frac=pl.lit(0.1), flat_frac=pl.lit(0.1), saturation=pl.lit(0.5), clear_frac=pl.lit(0.0),
        )  # fmt: skip
        for table in (CANDIDATES, DOWNLOADS, EMBEDDINGS, MEASURED, PROPOSALS):
            missing = [
                pl.lit(None, dtype=kind).alias(name) for name, kind in table.schema.items() if name not in rows.columns
            ]
            store.write(shape_table(rows.with_columns(missing), table), table, "made", shard=shard)
        write_embeddings(root / "embeddings" / "clip", int(shard), made["vectors"][part], rows)


def write_pictures(folder: Path) -> pl.DataFrame:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    names = [f"{number}.jpg" for number in range(PICTURES_COUNT)]
    for name in names:
        grid = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        grid.resize(PICTURE_PX, Image.Resampling.BICUBIC).save(folder / name, quality=90)
    return pl.DataFrame({"candidate_id": names, "path": names})


def measure_rates(folder: Path) -> tuple[float, float]:
    """Pictures per second measured, and merely decoded, both on all cores."""
    from concurrent.futures import ThreadPoolExecutor

    from relaionet.pipeline.images.decode import open_image
    from relaionet.pipeline.screens.config import ScreenConfig
    from relaionet.pipeline.screens.pixel_measures import measure_pictures

    rows, threads = write_pictures(folder), os.cpu_count() or 1
    started = time.perf_counter()
    measure_pictures(rows, folder, ScreenConfig(max_pixels=10**7, threads=threads))
    measured = PICTURES_COUNT / (time.perf_counter() - started)
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda name: open_image((folder / name).read_bytes(), 10**7).convert("RGB"), rows["path"]))
    return measured, PICTURES_COUNT / (time.perf_counter() - started)


def compare(root: Path) -> dict[str, float]:
    """What `curate` does once the pictures are measured; seconds, rows by status, and what memory grew by."""
    from rich.console import Console

    from relaionet.flows.curation import screens as screen_stages
    from relaionet.flows.curation.vectors import RunModels
    from relaionet.flows.runs.reporter import Reporter
    from relaionet.flows.runs.run import Run
    from relaionet.manifests.tables import SCREENED, count_statuses
    from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows
    from relaionet.pipeline.screens.config import ScreenConfig
    from relaionet.pipeline.screens.duplicates import Reference
    from relaionet.pipeline.screens.same_pictures import Pictures

    class Named(Reference):
        digest = "made"

    made = make_pictures(REFERENCE_COUNT, seed=2)
    ours = make_pictures(ROWS_COUNT, seed=1)
    for name in made:  # the reference set holds some of ours
        made[name][:LEAKS_COUNT] = ours[name][:LEAKS_COUNT]
    del ours
    reference = Named(
        name="val", ids=[f"{number}" for number in range(REFERENCE_COUNT)],
        pictures=Pictures(phashes=hexes(made["hashes"]), prints=made["prints"], vectors=made["vectors"]),
    )  # fmt: skip
    nearest_rows(made["vectors"][:1], made["vectors"][:100], 1, RetrieveConfig(device="cpu"))  # FAISS is loaded
    run = Run(root=root, reporter=Reporter(Console(quiet=True)))
    models, config = RunModels(encoder_name="tests.bench.pictures.screens:made_encoder"), ScreenConfig()
    before = status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    started = time.perf_counter()
    screen_stages.compare_all(run, models, config, [reference])  # type: ignore[list-item]
    screen_stages.read_all_texts(run, models, config)
    screen_stages.finish_all(run, config)
    seconds = time.perf_counter() - started
    counts = count_statuses(run.store.read(SCREENED))
    return {"seconds": seconds, "grown": status_bytes("VmHWM") - before, **counts}


def embedding_rate(folder: Path) -> float:
    """Pictures per second that ViT-B-32 embeds on all cores, in fp32, decoding left out."""
    import torch

    from relaionet.pipeline.embeddings.batches import Decoded, embed_batches
    from relaionet.pipeline.embeddings.encoders import load_encoder
    from tests.bench.pictures.embedding import write_weights

    encoder = load_encoder(f"ViT-B-32/{write_weights(folder, 'ViT-B-32')}", "cpu")
    ready = Decoded(torch.zeros(3, 224, 224))
    for count in (32, EMBEDDED_COUNT):
        started = time.perf_counter()
        list(embed_batches(range(count), lambda _: ready, encoder))
    return EMBEDDED_COUNT / (time.perf_counter() - started)


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, peer = measure_rates(folder / "images")
        unit = f"pictures/s of {PICTURE_PX[0]} px (decoding alone)"
        yield Row(name="screens_measure", ours=ours, peer=peer, goal=">=0.2", unit=unit)
        embedded = embedding_rate(folder)
        write_run(folder / "run", make_pictures(ROWS_COUNT, seed=1))
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a fresh process
            found = pool.apply(compare, (folder / "run",))
    told = ", ".join(f"{found[status]:,.0f} {status}" for status in ("ok", "duplicate", "leak"))
    unit = f"rows/s, {ROWS_COUNT:,} rows: {told} (pictures/s that ViT-B-32 embeds)"
    yield Row(name="screens_compare", ours=ROWS_COUNT / found["seconds"], peer=embedded, goal=">=5", unit=unit)
    bound = ROWS_COUNT * BYTES_PER_ROW / 2**20
    yield Row(name="screens_memory", ours=found["grown"] / 2**20, peer=bound, goal="<=1", unit="MiB (stated bound)")

"""[candidates_memory] Peak memory of reading a source, from a million rows to twenty million.

Each size is read in a process of its own, from parquet files made here: real-looking captions of a vocabulary, one row
in eight naming a class. The child process says its peak resident set and the time it took.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from tests.bench.row import Row

MILLION = 1_000_000
SIZES = (1 * MILLION, 20 * MILLION)
FILE_ROWS = 2 * MILLION
MIB, BOUND_MIB = 1 << 20, 2048
WORDS = """
stock photo the of and with in black white vintage new set women's men's size for home decor print poster art wedding
summer beautiful portrait landscape view city old town free shipping inch leather cotton design modern illustration
vector background isolated royalty how to make recipe best top 2019 review sale handmade
"""


def make_captions(count: int, seed: int = 0) -> list[str]:
    """Captions of shop titles, stock photos and sentences; every eighth names a class."""
    from relaionet.manifests.labels import read_labels

    rng = random.Random(seed)
    names = [label.name for label in read_labels()]
    captions = []
    for number in range(count):
        text = rng.choices(WORDS.split(), k=rng.randint(3, 14))
        if number % 8 == 0:
            text.insert(rng.randrange(len(text)), rng.choice(names))
        captions.append(" ".join(text).capitalize())
    return captions


def make_source(folder: Path, rows_count: int) -> None:
    """Parquet files in the columns of LAION-2B, and one of a million rows."""
    captions = pl.Series(make_captions(200_000))
    (folder / "small").mkdir(parents=True)
    for start in [-MILLION, *range(0, rows_count, FILE_ROWS)]:
        numbers = pl.int_range(start, start + (MILLION if start < 0 else FILE_ROWS), eager=True)
        picked = captions.gather((numbers * 7919) % captions.len())
        rows = pl.DataFrame({"n": numbers, "TEXT": picked}).select(
            pl.format("https://images-{}.example.org/photos/{}/picture.jpg", pl.col("n") % 5000, "n").alias("URL"),
            pl.format("{} {}", "TEXT", "n").alias("TEXT"),
            (200 + pl.col("n") % 1000).alias("WIDTH"), (200 + pl.col("n") % 700).alias("HEIGHT"),
            (pl.col("n") % 101 / 101).cast(pl.Float32).alias("punsafe"),
            (pl.col("n") % 97 / 97).cast(pl.Float32).alias("pwatermark"),
        )  # fmt: skip
        name = "small/million" if start < 0 else f"{start // FILE_ROWS:04d}"
        rows.write_parquet(folder / f"{name}.parquet", compression="snappy")


def read(source: Path, out: Path, rows_count: int) -> None:
    """Read rows of the source as `curate` does, and print what it took."""
    from rich.console import Console

    from relaionet.flows.curation.recipe import CurateRecipe, places_of
    from relaionet.flows.curation.source import read_source
    from relaionet.flows.runs.reporter import Reporter
    from relaionet.flows.runs.run import Run
    from relaionet.manifests.tables import CANDIDATES
    from relaionet.pipeline.candidates.judge import CandidatesConfig

    files = [source / "small" / "million.parquet"]
    if rows_count > MILLION:
        files = sorted(source.glob("*.parquet"))[: rows_count // FILE_ROWS]
    run = Run(root=out, reporter=Reporter(Console(quiet=True)))
    recipe = CurateRecipe(source=tuple(map(str, files)), candidates=CandidatesConfig(keep_rows="named"))
    started = time.perf_counter()
    read_source(run, places_of(recipe.source), recipe.candidates)
    seconds = time.perf_counter() - started
    # Linux counts in KiB, macOS in bytes
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes, "rows": run.count(CANDIDATES).rows_in}))


def _child(*arguments: object) -> str:
    command = [sys.executable, "-m", "tests.bench.candidates.candidates_memory", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure() -> list[Row]:
    """Peak at 20 million rows against that at one million, and against 2 GiB."""
    peaks_mib = {}
    with tempfile.TemporaryDirectory(prefix="candidates-memory-") as work:
        source = Path(work) / "source"
        _child("make", source, "-", SIZES[-1])
        for rows in SIZES:
            told = json.loads(_child("read", source, Path(work) / f"run-{rows}", rows))
            if told["rows"] != rows:
                raise RuntimeError(f"{rows} rows were to be read, {told['rows']} were")
            peaks_mib[rows] = told["peak_bytes"] / MIB
            print(f"  {rows:,} rows in {told['seconds']:.0f} s, peak {peaks_mib[rows]:.0f} MiB", flush=True)
    small, large = (peaks_mib[rows] for rows in SIZES)
    return [
        Row(name="candidates_memory", ours=large, peer=small, goal="<=1.15", unit="MiB peak, 20 M rows against 1 M"),
        Row(name="candidates_memory 20 M", ours=large, peer=BOUND_MIB, goal="<=1", unit="MiB peak, bound is 2 GiB"),
    ]


if __name__ == "__main__":
    step, source_folder, run_folder, count = sys.argv[1:]
    if step == "make":
        make_source(Path(source_folder), int(count))
    else:
        read(Path(source_folder), Path(run_folder), int(count))

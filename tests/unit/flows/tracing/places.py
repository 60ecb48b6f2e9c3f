"""One row's release, split and evaluation, small, each made by the code that makes the real ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.evaluators.generators.protocol import Settings
from relaionet.evaluators.metrics.estimate import Estimate
from relaionet.evaluators.sampling.shards import write_images
from relaionet.evaluators.scoring.influences import Influences, write_influences
from relaionet.flows.tracing.keep import keep_rows
from relaionet.manifests.files import write_json
from relaionet.manifests.release.beside import tell_evidence
from relaionet.manifests.release.copy import copy_release
from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.store import Store, write_parquet
from relaionet.manifests.tables import SAMPLES, SCORES, SPLIT, shape_table
from tests.unit.manifests.conftest import manifest_rows

SIDE = 8
METRIC = "CLIP Score"


def make_told_release(folder: Path, count: int = 3, **more: pl.Series) -> Path:
    """A release whose rows have evidence of two steps."""
    rows = manifest_rows(count).with_columns(**more)
    ids = rows["candidate_id"]
    seen = pl.DataFrame({"candidate_id": ids, "reference_near": [f"val:n/{n}.jpg" for n in range(count)]})
    proposed = pl.DataFrame({"candidate_id": ids, "label_score": [0.5] * count, "calibration": ["c" * 16] * count})
    evidence = pl.concat([tell_evidence("leak", seen), tell_evidence("proposals", proposed)])
    return make_release(rows, folder, notes={}, evidence=evidence)


def make_split(folder: Path, release: Path, *, keeps: bool = True) -> Path:
    """A rebuilt split of it: the first row is kept, the others are gone."""
    read = read_release(release)
    rows = read.manifest.with_row_index("n").select(
        "candidate_id", "wnid", "class_index", kept=pl.col("n") == 0,
        status=pl.when(pl.col("n") == 0).then(pl.lit("exact")).otherwise(pl.lit("gone")),
        reason=pl.when(pl.col("n") > 0).then(pl.lit("gone: HTTP 404 Not Found")),
        path=pl.when(pl.col("n") == 0).then(pl.lit("images/1.png")),
    )  # fmt: skip
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in SPLIT.schema.items() if name not in rows.columns]
    Store(folder).write(shape_table(rows.with_columns(missing), SPLIT), SPLIT, "d", seconds=0.0)
    write_json(folder / "split.json", {"rows_count": rows.height, "digest": "e"})
    if keeps:
        copy_release(read, folder / "release")
    return folder


def make_evaluation(folder: Path, split: Path, *, per_row: int = 2, keeps: bool = True) -> Path:
    """An evaluation of it by one generator; the last sample failed."""
    kept = Store(split).read_all(SPLIT).filter("kept")
    ids = [name if k == 0 else f"{name}-{k}" for name in kept["candidate_id"] for k in range(per_row)]
    made = len(ids) - 1
    rows = pl.DataFrame({"sample_id": ids, "seed": range(len(ids)), "row": [*range(made), None]}).with_columns(
        class_index=pl.lit(kept["class_index"][0]), wnid=pl.lit(kept["wnid"][0]), nfe=pl.lit(4),
        status=pl.Series(["ok"] * made + ["failed"]), reason=pl.Series([None] * made + ["out of memory"]),
    )  # fmt: skip
    one = folder / "samples" / "toy"
    store = Store(one)
    store.write(shape_table(rows, SAMPLES), SAMPLES, "d", seconds=0.0)
    write_images(store, "all", np.full((made, SIDE, SIDE, 3), 200, dtype=np.uint8), "d", 0.0)
    influence = np.linspace(-1, 1, made)
    write_influences(
        one / "influences.npz",
        Influences("toy", "paper", ids[:made], tuple(rows["wnid"][:made]), {METRIC: Estimate(30.0, influence)}),
    )
    score = {"generator": "toy", "split": "s", "protocol": "paper", "steps": 4, "guidance": 1.0, "nfe": 4.0, "n": made,
             "metric": METRIC, "value": 30.0, "low": 29.0, "high": 31.0, "method": "m", "made_with": "w"}  # fmt: skip
    write_parquet(folder / "scores.parquet", shape_table(pl.DataFrame([score]), SCORES))
    settings = asdict(Settings(steps=4, guidance=1.0))
    named = {"name": "toy", "slug": "toy", "asked": settings, "settings": settings, "role": ""}
    write_json(
        folder / "sets.json",
        {"title": "t", "split": str(split), "split_name": "s", "split_digest": "e", "protocol": "paper", "limit": 0,
         "sets": [named]},
    )  # fmt: skip
    if keeps:
        keep_rows(split, folder)
    return folder

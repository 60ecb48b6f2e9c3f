"""A run whose recipe names no labels and whose captions name no class: an encoder too sure of itself, and its pictures.

The encoder is a file of the run, as a recipe names one; its pictures are drawn so that the scale 9 is right and the
encoder says 100.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from rich.console import Console

from relaionet.flows.curation.proposals import calibrate_proposals, make_review_tasks, propose_shard, route_all
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.curation.vectors import RunModels, search_labels
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.run_record import write_run_record
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, EMBEDDINGS, SCREENED, TEXT_MATCHES, Table
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.proposals.review_budget import RouteConfig

DIM, TRUE_SCALE, SHARD, PICTURES = 48, 14.0, "00000", 6
ENCODER = f'''
import numpy as np

class Sure:
    name, dim, fingerprint, logit_scale = "sure", {DIM}, "{"5" * 64}", 100.0
    def preprocess(self, image):
        raise NotImplementedError("its pictures were embedded already")
    encode_images = preprocess
    def encode_texts(self, texts):
        rows = [np.random.default_rng([ord(one) for one in text]).normal(size={DIM}) for text in texts]
        return (np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
'''


def make_run(root: Path, count: int, seed: int = 0, **recipe: object) -> tuple[Run, CurateRecipe, dict[str, str]]:
    """A run up to its embeddings and screens; its recipe; candidate_id -> true wnid."""
    run = Run(
        root=root, reporter=Reporter(Console(record=True, width=300, quiet=False, file=(root / "said").open("w")))
    )
    (root / "sure.py").write_text(ENCODER)
    made = CurateRecipe(source="x", encoder=f"{root / 'sure.py'}:Sure", templates=("{name} {gloss}",), **recipe)
    write_run_record(root, made, screens={})
    vectors, truth = draw_pictures(models_of(made).label_vectors, count, seed)
    urls = [f"http://x.invalid/{seed}/{place}.png" for place in range(count)]
    ids = [hashlib.sha256(url.encode()).hexdigest() for url in urls]
    write_table(run, CANDIDATES, ids, url=urls, source=["rows.parquet"] * count)
    write_table(run, TEXT_MATCHES, ids)
    write_table(run, SCREENED, ids, shard="all")
    write_table(
        run, DOWNLOADS, ids, path=[f"{one}.png" for one in ids], image_sha256=ids, bytes_count=[99] * count,
        width_px=[20] * count, height_px=[20] * count, format=["png"] * count,
        fetched_at=[datetime(2026, 1, 1, tzinfo=UTC)] * count,
    )  # fmt: skip
    write_table(run, EMBEDDINGS, ids, phash=[one[:16] for one in ids])
    empty = pl.Series([None] * count, dtype=pl.String)
    write_embeddings(run.embeddings, 0, vectors, pl.DataFrame({"candidate_id": ids, "caption": empty, "url": empty}))
    run.images.mkdir()
    for place, one in enumerate(ids[:PICTURES]):
        Image.new("RGB", (20, 20), (40 * place, 90, 60)).save(run.images / f"{one}.png")
    return run, made, dict(zip(ids, truth, strict=True))


def draw_pictures(label_vectors: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Unit rows and true wnids: the class is drawn by the softmax of `TRUE_SCALE`."""
    rng = np.random.default_rng(seed)
    near = label_vectors[rng.integers(1000, size=count)]
    rows = near + 0.11 * rng.normal(size=near.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    chance = np.exp(TRUE_SCALE * rows @ label_vectors.T)
    true = [rng.choice(1000, p=one / one.sum()) for one in chance]
    return rows.astype(np.float32), [read_labels()[place].wnid for place in true]


def write_table(run: Run, table: Table, ids: list[str], *, shard: str = SHARD, **given: list[object]) -> None:
    """Rows that go on, with null in all that is not given."""
    values = {name: given.get(name, [None] * len(ids)) for name in table.columns}
    values |= {"candidate_id": ids, "status": ["ok"] * len(ids)}
    kept = {name: value for name, value in values.items() if name in table.columns}
    run.store.write(pl.DataFrame(kept, schema=dict(table.schema)), table, "made", shard=shard)


def models_of(recipe: CurateRecipe) -> RunModels:
    return RunModels(encoder_name=recipe.encoder, templates=recipe.templates)


def curate_from_vectors(run: Run, recipe: CurateRecipe, route: RouteConfig | None = None) -> None:
    """The stages of `curate` from the search to the tasks, the screens left out."""
    models = models_of(recipe)
    search_labels(run, models, recipe.retrieve)
    calibrate_proposals(run, models, recipe.calibrate, recipe.controls, recipe.embed)
    propose_shard(run, SHARD, models, recipe.propose, lambda _: None)
    route_all(run, route or recipe.route, recipe.overlap)
    make_review_tasks(run, recipe.controls, recipe.tasks, recipe.overlap, recipe.screen)


def said(run: Run) -> str:
    return run.reporter.console.export_text(clear=False)

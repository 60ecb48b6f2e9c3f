"""The stages of `curate`: what makes them run again, and that nothing of an earlier cut of the source is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from relaionet.flows.curate import models_of
from relaionet.flows.curation.choice import read_all_candidates
from relaionet.flows.curation.known_pictures import read_controls
from relaionet.flows.curation.proposals import make_review_tasks, route_all
from relaionet.flows.curation.recipe import CurateRecipe, places_of
from relaionet.flows.curation.vectors import search_labels, vectors_digest
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CANDIDATES, DOWNLOADS, EMBEDDINGS, HITS, PROPOSALS, SCREENED, TASKS, Table
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.embeddings.store import write_embeddings

ROWS = 7
IDS = [f"{number:064x}" for number in range(ROWS)]


def a_run(root: Path) -> Run:
    return Run(root=root, reporter=Reporter(Console(quiet=True)))


@pytest.fixture
def recipe(tmp_path: Path) -> CurateRecipe:
    source = tmp_path / "rows.parquet"
    pl.DataFrame(
        {
            "url": [f"http://pictures.example/{number}" for number in range(ROWS)],
            "caption": ["a photo of a goldfish", None] * 3 + ["goldfish"],
            "width": [100] * ROWS,
            "height": [100] * ROWS,
        }
    ).write_parquet(source)
    return CurateRecipe(source=str(source), encoder="miniature", candidates=cut(3))


def cut(rows_per_shard: int) -> CandidatesConfig:
    return CandidatesConfig(captions="any", rows_per_shard=rows_per_shard)


def store(run: Run, table: Table, shard: str = "00000", **values: object) -> None:
    """A table of all ids in which every column not named is null, and every status ok."""
    given = {"candidate_id": IDS, "status": "ok"} | values
    columns = [
        pl.Series(name, given[name], dtype=column.dtype)
        if isinstance(given.get(name), list)
        else pl.repeat(given.get(name), ROWS, dtype=column.dtype, eager=True).alias(name)
        for name, column in table.columns.items()
    ]
    run.store.write(pl.DataFrame(columns), table, "digest", shard=shard)


def test_a_deleted_table_is_made_again_though_the_receipts_stand(tmp_path: Path, recipe: CurateRecipe) -> None:
    run = a_run(tmp_path / "run")
    assert read_all_candidates(run, places_of(recipe.source), recipe.candidates) == (["00000", "00001", "00002"], ROWS)
    run.store.path(CANDIDATES, "00001").unlink()
    assert read_all_candidates(a_run(run.root), places_of(recipe.source), recipe.candidates) == (
        ["00000", "00001", "00002"],
        ROWS,
    )
    assert run.store.read_all(CANDIDATES).height == ROWS


def test_a_source_cut_otherwise_leaves_no_shard_of_the_earlier_cut(tmp_path: Path, recipe: CurateRecipe) -> None:
    run = a_run(tmp_path / "run")
    for shard in read_all_candidates(run, places_of(recipe.source), recipe.candidates)[0]:
        store(run, DOWNLOADS, shard)
        write_embeddings(run.embeddings, int(shard), np.zeros((0, 2)), pl.DataFrame(schema=dict.fromkeys(
            ("candidate_id", "caption", "url"), pl.String)))  # fmt: skip
    read_all_candidates(run, places_of(recipe.source), cut(5))
    assert run.store.shards(CANDIDATES) == run.store.shards(DOWNLOADS) == ["00000", "00001"]
    assert len(list(run.embeddings.rglob("*_*.npy"))) == 2


def test_a_source_without_rows_has_no_shards(tmp_path: Path, recipe: CurateRecipe) -> None:
    pl.read_parquet(recipe.source).clear().write_parquet(recipe.source)
    assert read_all_candidates(a_run(tmp_path / "run"), places_of(recipe.source), recipe.candidates) == ([], 0)


def test_other_proposals_give_other_tasks_though_the_screens_say_the_same(tmp_path: Path, recipe: CurateRecipe) -> None:
    run = a_run(tmp_path / "run")
    store(run, CANDIDATES)
    store(run, DOWNLOADS, path="00/a.png")
    store(run, SCREENED)
    for wnid in ("n01443537", "n01440764"):
        store(run, PROPOSALS, wnid=wnid, top_wnids=[[wnid]] * ROWS, tier="picture", label_score=0.9)
        route_all(a_run(run.root), recipe.route, recipe.overlap)
        make_review_tasks(a_run(run.root), recipe.controls, recipe.tasks, recipe.overlap, recipe.screen)
        assert set(run.store.read(TASKS, "round1")["proposed_wnid"]) == {wnid}


def test_other_vectors_are_another_input_though_the_table_is_the_same(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    store(run, EMBEDDINGS)
    rows = pl.DataFrame({"candidate_id": IDS, "caption": "x", "url": "http://a.example"})
    digests = set()
    for value in (0.0, 1.0):
        write_embeddings(run.embeddings, 0, np.full((ROWS, 2), value), rows)
        digests.add(vectors_digest(run, "00000"))
    assert len(digests) == 2


def test_options_of_an_encoder_may_be_lists(recipe: CurateRecipe) -> None:
    with pytest.raises(BadInput, match="takes no option sizes"):
        models_of(replace(recipe, encoder_options={"sizes": [1, 2]})).encoder  # noqa: B018


def test_controls_that_are_no_table_are_named(tmp_path: Path) -> None:
    path = tmp_path / "controls.parquet"
    path.write_bytes(b"no parquet at all")
    with pytest.raises(BadInput, match=r"controls\.parquet.*path and wnid"):
        read_controls(path, tmp_path / "images")
    pl.DataFrame({"path": ["a"]}).write_parquet(path)
    with pytest.raises(BadInput, match="wnid"):
        read_controls(path, tmp_path / "images")


def test_every_label_is_searched_among_all_images(tmp_path: Path, recipe: CurateRecipe) -> None:
    run, models = a_run(tmp_path / "run"), models_of(recipe)
    encoder = models.encoder
    store(run, EMBEDDINGS)
    rows = np.random.default_rng(0).standard_normal((ROWS, encoder.dim))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    about = pl.DataFrame({"candidate_id": IDS, "caption": [""] * ROWS, "url": [""] * ROWS})
    write_embeddings(run.embeddings, 0, rows, about)
    search_labels(run, models, recipe.retrieve)
    hits = run.store.read(HITS)
    assert hits.height == 1000 * ROWS
    full = models.label_vectors[474].astype(np.float64) @ rows.astype(np.float64).T
    cardigan = hits.filter(pl.col("class_index") == 474)
    assert cardigan["candidate_id"].to_list() == [IDS[place] for place in np.argsort(-full)]
    np.testing.assert_allclose(cardigan["cosine"], -np.sort(-full), atol=1e-6)

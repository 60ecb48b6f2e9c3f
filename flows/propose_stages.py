"""The stages of `curate` from vectors to tasks that are this project's judgement: proposals, routing, tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from relaionet.annotations.tasks import tasks as review_tasks
from relaionet.flows.calibration_stage import load_calibration
from relaionet.flows.console import Advance
from relaionet.flows.curate_stages import read_controls, vectors_digest
from relaionet.flows.proposal_evidence import read_named
from relaionet.flows.stage import Run, input_digest, input_digests
from relaionet.flows.vectors import get_encoder, get_label_vectors, vectors_of
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import (
    CANDIDATES,
    DOWNLOADS,
    EMBEDDINGS,
    HITS,
    PROPOSALS,
    ROUTED,
    SCREENED,
    TASKS,
    alive,
)  # fmt: skip
from relaionet.pipeline.proposals import propose
from relaionet.pipeline.proposals import review_budget as route
from relaionet.pipeline.proposals.calibration import calibration_digest

if TYPE_CHECKING:
    from relaionet.flows.curate import CurateRecipe


def propose_shard(run: Run, shard: str, recipe: CurateRecipe, advance: Advance) -> bool:
    """Stage 7: the proposed label of one shard's images, or that it is unclear."""
    encoder, named, found = get_encoder(recipe), read_named(run, shard), load_calibration(run)
    digest = digest_of(
        vectors_digest(run, shard), input_digest(run, HITS, "all"), named.rows(), calibration_digest(found),
        recipe.propose, propose.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        rows = alive(run.store.read(EMBEDDINGS, shard)).select("candidate_id")
        rows = rows.join(named, on="candidate_id", how="left", maintain_order="left")
        hits = run.store.read(HITS).join(rows.select("candidate_id"), on="candidate_id", how="semi")
        table = propose.propose_labels(
            rows, vectors_of(run, [shard], encoder, rows["candidate_id"]), get_label_vectors(recipe), read_labels(),
            recipe.propose, found, hits=hits,
        )  # fmt: skip
        advance(rows.height)
        return table

    return run.make(PROPOSALS, digest, make, shard=shard)


def route_all(run: Run, recipe: CurateRecipe) -> None:
    """Stage 9: how many answers each row is to get, and which rows nobody is asked about."""
    digest = digest_of(input_digests(run, SCREENED, PROPOSALS), recipe.route, recipe.overlap, route.VERSION)

    def make() -> pl.DataFrame:
        rows = alive(run.store.read_all(SCREENED)).select("candidate_id")
        about = run.store.read_all(PROPOSALS).select(
            "candidate_id", "tier", "label_score", "group_wnids", "member_score"
        )
        rows = rows.join(about, on="candidate_id", maintain_order="left")
        return route.route_rows(rows, recipe.overlap, recipe.route)

    run.make(ROUTED, digest, make)
    run.count(ROUTED)
    for line in route.describe_routing(run.store.read(ROUTED), recipe.overlap, recipe.route):
        run.reporter.say(f"  {'':<12}{line}")


def make_review_tasks(run: Run, recipe: CurateRecipe) -> None:
    """Stage 10: review tasks in shuffled order, hidden controls mixed in."""
    controls = read_controls(recipe.controls, run.images)
    digest = digest_of(
        input_digests(run, ROUTED, PROPOSALS, DOWNLOADS, CANDIDATES), controls.rows(), recipe.tasks,
        recipe.overlap, review_tasks.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        rows = alive(run.store.read_all(ROUTED)).select("candidate_id", "answers_wanted_count", "place")
        # what a reviewer is offered besides: the rest of the group, what the caption names, then what is near
        offered = pl.concat_list(
            pl.col("group_wnids", "caption_wnids", "top_wnids").fill_null(pl.lit([], dtype=pl.List(pl.String)))
        ).list.unique(maintain_order=True)
        proposed = alive(run.store.read_all(PROPOSALS)).with_columns(top_wnids=offered)
        for about in (
            proposed.select("candidate_id", "wnid", "top_wnids"),
            alive(run.store.read_all(DOWNLOADS)).select("candidate_id", "path"),
            alive(run.store.read_all(CANDIDATES)).select("candidate_id", "caption"),
        ):
            rows = rows.join(about, on="candidate_id", maintain_order="left")
        return review_tasks.make_tasks(rows, controls, overlap=recipe.overlap, config=recipe.tasks)

    if run.make(TASKS, digest, make, shard="round1"):
        run.store.keep_only(TASKS, ["round1"])
    tasks = run.store.read(TASKS, "round1")
    hidden = int(tasks["is_control"].sum())
    run.reporter.say(
        f"  {TASKS.name:<12}{tasks.height:>7,} = {tasks.height - hidden:,} to review + {hidden:,} controls"
    )

"""The stages of `curate` from vectors to tasks that are this project's judgement: proposals, routing, tasks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import polars as pl

from relaionet.annotations.tasks import tasks as review_tasks
from relaionet.flows.curation.calibration import (
    CALIBRATION,
    calibration_file,
    describe_calibration,
    group_name,
    load_calibration,
    own_calibration,
    write_calibration,
)
from relaionet.flows.curation.known_pictures import (
    count_settled,
    folder_digest,
    read_captions,
    read_controls,
    read_examples,
    read_named,
)
from relaionet.flows.curation.screens import remark_controls
from relaionet.flows.curation.vectors import RunModels, vectors_digest, vectors_of
from relaionet.flows.runs.reporter import Advance
from relaionet.flows.runs.run import Run, input_digest, input_digests
from relaionet.manifests.files import digest_of, file_sha256, read_json
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import (
    CANDIDATES,
    DECISIONS,
    DOWNLOADS,
    EMBEDDINGS,
    HITS,
    PROPOSALS,
    ROUTED,
    SCREENED,
    TASKS,
    TEXT_MATCHES,
    VERDICTS,
    alive,
)  # fmt: skip
from relaionet.pipeline.proposals import calibration as calibrations
from relaionet.pipeline.proposals import propose
from relaionet.pipeline.proposals import review_budget as route
from relaionet.pipeline.proposals.calibration import (
    Calibration,
    calibration_digest,
    check_calibration,
    read_calibration,
)
from relaionet.pipeline.proposals.calibration_fit import fit_calibration, fit_on_review
from relaionet.pipeline.screens.plan import screened_table, tell_remarks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from relaionet.annotations.tasks.tasks import TasksConfig
    from relaionet.pipeline.embeddings.embed import EmbedConfig
    from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig
    from relaionet.pipeline.screens.config import ScreenConfig


def propose_shard(run: Run, shard: str, models: RunModels, config: propose.ProposeConfig, advance: Advance) -> bool:
    """Stage 7: the proposed label of one shard's images, or that it is unclear."""
    encoder, named, found = models.encoder, read_named(run, shard), load_calibration(run)
    digest = digest_of(
        vectors_digest(run, shard), input_digest(run, HITS, "all"), named.rows(), calibration_digest(found),
        config, propose.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        rows = alive(run.store.read(EMBEDDINGS, shard)).select("candidate_id")
        rows = rows.join(named, on="candidate_id", how="left", maintain_order="left")
        hits = run.store.read(HITS).join(rows.select("candidate_id"), on="candidate_id", how="semi")
        table = propose.propose_labels(
            rows, vectors_of(run, [shard], encoder, rows["candidate_id"]), models.label_vectors, read_labels(),
            config, found, hits=hits,
        )  # fmt: skip
        advance(rows.height)
        return table

    return run.make(PROPOSALS, digest, make, shard=shard)


def route_all(run: Run, config: route.RouteConfig, overlap: int) -> None:
    """Stage 9: how many answers each row is to get, and which rows nobody is asked about.

    Args:
        run: a screened run.
        config: what answers are spent on.
        overlap: independent answers asked for per task.
    """
    digest = digest_of(input_digests(run, SCREENED, PROPOSALS), config, overlap, route.VERSION)

    def make() -> pl.DataFrame:
        rows = alive(run.store.read_all(SCREENED)).select("candidate_id")
        about = run.store.read_all(PROPOSALS).select(
            "candidate_id", "tier", "label_score", "group_wnids", "member_score"
        )
        rows = rows.join(about, on="candidate_id", maintain_order="left")
        return route.route_rows(rows, overlap, config)

    run.make(ROUTED, digest, make)
    run.count(ROUTED)
    for line in route.describe_routing(run.store.read(ROUTED), overlap, config):
        run.reporter.say(f"  {'':<12}{line}")


def make_review_tasks(run: Run, known: Path | None, config: TasksConfig, overlap: int, screens: ScreenConfig) -> None:
    """Stage 10: review tasks in shuffled order, hidden controls mixed in.

    Args:
        run: a run whose rows are routed.
        known: table of pictures with known labels; None for none.
        config: how tasks are made.
        overlap: independent answers asked for per task.
        screens: of the recipe; what they tell reviewers stands in the tasks.
    """
    controls = remark_controls(run, read_controls(known, run.images), screens)
    digest = digest_of(
        input_digests(run, ROUTED, PROPOSALS, DOWNLOADS, CANDIDATES), controls.rows(), config,
        overlap, review_tasks.VERSION,
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
            tell_remarks(alive(run.store.read_all(screened_table(screens))), screens),
        ):
            rows = rows.join(about, on="candidate_id", maintain_order="left")
        return review_tasks.make_tasks(rows, controls, overlap=overlap, config=config)

    _make_round(run, digest, make)
    tasks = run.store.read(TASKS, "round1")
    hidden = int(tasks["is_control"].sum())
    run.reporter.say(
        f"  {TASKS.name:<12}{tasks.height:>7,} = {tasks.height - hidden:,} to review + {hidden:,} controls"
    )


def _make_round(run: Run, digest: str, make: Callable[[], pl.DataFrame]) -> None:
    """Make the first round's tasks unless they are done; what is being answered stays as it was asked."""
    asked, begun = run.store.read_all(TASKS), not run.store.read_all(DECISIONS).is_empty()
    if not run.make(
        TASKS, digest, lambda: review_tasks.keep_questions(make(), asked) if begun else make(), shard="round1"
    ):
        return
    # a further round asks about pictures of the first; where some of those are gone, it is asked anew
    if not set(asked["candidate_id"]) <= set(run.store.read(TASKS, "round1")["candidate_id"]):
        run.store.keep_only(TASKS, ["round1"])


def calibrate_proposals(
    run: Run, models: RunModels, config: CalibrateConfig, known: Path | None, embedding: EmbedConfig
) -> Calibration:
    """Fit the run's probabilities, unless they are there; where there is nothing else, on what its review settled.

    Args:
        run: a run whose labels were searched.
        models: of the run.
        config: what they are fitted on.
        known: table of pictures with known labels; None for none.
        embedding: how pictures are embedded.

    Raises:
        BadInput: a file or folder of [calibrate] is not what it should be, or is another encoder's.
    """
    controls = read_controls(known, run.images)
    digest = _calibration_digest(run, models, config, controls, embedding)
    reviewed, has_enough = digest_of(digest, input_digests(run, VERDICTS)), _has_enough(run, config)
    for one in (digest, reviewed):
        if run.store.has_artifact(calibration_file(run), CALIBRATION, one):
            found = load_calibration(run)
            if found.is_fitted or not has_enough:
                return found
    started = time.perf_counter()
    fitting = (run, models, config, controls, embedding)
    if config.file is not None:
        found = check_calibration(read_calibration(read_json(config.file)), own_calibration(models))
    else:
        found = _fit(*fitting, settled=False)
    if not found.is_fitted and has_enough:
        found, digest = _fit(*fitting, settled=True), reviewed
    write_calibration(run, found, digest, time.perf_counter() - started)
    run.reporter.say(f"  {CALIBRATION:<12}{describe_calibration(found)}")
    return found


def _has_enough(run: Run, config: CalibrateConfig) -> bool:
    """The run's own review accepted as many pictures as a fit needs."""
    return count_settled(run) >= config.min_labelled_count


def _calibration_digest(
    run: Run, models: RunModels, config: CalibrateConfig, controls: pl.DataFrame, embedding: EmbedConfig
) -> str:
    """What a calibration depends on before anybody looked at the run's pictures."""
    return digest_of(
        own_calibration(models), config, None if config.file is None else file_sha256(config.file), controls.rows(),
        folder_digest(config.labelled),
        [receipt.sha256 for root in config.reviews for receipt in Run(root=root).store.receipts(VERDICTS)],
        [vectors_digest(run, shard) for shard in run.store.shards(EMBEDDINGS)],
        input_digests(run, CANDIDATES, TEXT_MATCHES), embedding.max_pixels, calibrations.VERSION,
    )  # fmt: skip


def _fit(
    run: Run, models: RunModels, config: CalibrateConfig, controls: pl.DataFrame, embedding: EmbedConfig, *,
    settled: bool,
) -> Calibration:  # fmt: skip
    """A calibration on what is known; `settled` adds the pictures that the run's own review accepted."""
    with run.reporter.bar(CALIBRATION, None):
        return (fit_on_review if settled else fit_calibration)(
            read_examples(run, models.encoder, config, controls, embedding, settled=settled),
            read_captions(run, models.encoder, config),
            models.label_vectors, read_labels(), config, own_calibration(models), group_of=group_name,
        )  # fmt: skip

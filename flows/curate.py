"""The flow `curate`: LAION rows in, review tasks out. Each line of the flow is one stage of the story."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.tasks.tasks import TasksConfig
from relaionet.flows.calibration_stage import calibrate_proposals
from relaionet.flows.candidate_stages import choose_all, match_shard, read_all_candidates, report_candidates
from relaionet.flows.console import Reporter
from relaionet.flows.curate_stages import (
    search_labels,
)  # fmt: skip
from relaionet.flows.download_stage import download_shard, finish_downloads
from relaionet.flows.embed_stage import embed_shard, find_all_published
from relaionet.flows.folder_lock import hold_folder
from relaionet.flows.neighbour_stages import place_neighbours, search_all_neighbours
from relaionet.flows.proposals_report import write_proposals_report
from relaionet.flows.propose_stages import make_review_tasks, propose_shard, route_all
from relaionet.flows.provenance import write_run_record
from relaionet.flows.recipe import find_recipe, read_recipe
from relaionet.flows.references import check_references
from relaionet.flows.screen_stages import screen_all, screens_record
from relaionet.flows.stage import Run, as_flow, publish_counts, run_shards, share_cores
from relaionet.flows.task_runners import THREADS, connected, make_runner
from relaionet.flows.text_stages import calibrate_texts
from relaionet.flows.vectors import get_encoder, wants_gpu
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import DOWNLOADS, EMBEDDINGS, PROPOSALS, TEXT_MATCHES
from relaionet.pipeline.candidates.choice import ChooseConfig
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.captions.text_match import TextMatchConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.embeddings.embed import EmbedConfig
from relaionet.pipeline.embeddings.store import embedding_shards
from relaionet.pipeline.neighbours.queries import NeighboursConfig, check_neighbours
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig
from relaionet.pipeline.proposals.propose import ProposeConfig
from relaionet.pipeline.proposals.review_budget import RouteConfig
from relaionet.pipeline.retrieval.search import RetrieveConfig
from relaionet.pipeline.screens.config import ScreenConfig, check_screens, place_heads
from relaionet.pipeline.sources.files import check_address


@dataclass(frozen=True, kw_only=True)
class CurateRecipe:
    """All that steers the flow `curate`.

    Attributes:
        name: name of the release this will become.
        source: files, folders, globs or addresses (https://, s3://, hf://datasets/…) of metadata tables, one or a list;
            relative to the recipe's folder.
        encoder: image-text encoder: open_clip `model/pretrained`, `hf-hub:…`, `miniature`, or an import string.
        encoder_options: passed to the encoder's factory.
        templates: prompts a class is searched with; {name} and {gloss} are filled in, and `openai-imagenet` (80) and
            `simple-imagenet` (7) stand for open_clip's sets.
        published: folder of embeddings in clip-retrieval's layout that the recipe's encoder made, such as LAION's;
            images whose URL or id is found there take their row from it. None encodes every image.
        reference: folder of pictures that must not be in the set (leaks), any depth; none where null.
        references: names of reference sets that were added with `relaionet reference add`.
        reference_store: folder of those; this machine's where null.
        controls: parquet with columns path, wnid: pictures with known labels, mixed into the review; none where null.
        examples: folder with a folder of known pictures per wnid; up to three of the proposed class are shown small on
            the reviewer's page; none where null.
        pictures: where Label Studio takes the pictures from: auto (its folder on this machine, else uploads), local,
            upload, or the address they were put under (s3://, gs://, azure-blob://, https://).
        published_counts: file of published counts per class, "name<TAB>count" a line, that the report of the candidates
            compares with; none where null.
        overlap: independent answers asked for per task.
        overlap_again: the same for the pictures that are asked about again because the answers differed.
        offer_all_labels: let reviewers search all 1000 classes for "another class", not only those proposed in the set.
        workers: shards at work at once.
    """

    name: str = "relaionet"
    source: str | tuple[str, ...]
    encoder: str = "ViT-B-32/laion2b_s34b_b79k"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    templates: tuple[str, ...] = ("a photo of a {name}", "a photo of a {name}, {gloss}")
    published: Path | None = None
    reference: Path | None = None
    references: tuple[str, ...] = ()
    reference_store: Path | None = None
    controls: Path | None = None
    examples: Path | None = None
    pictures: str = "auto"
    published_counts: Path | None = None
    overlap: int = 3
    overlap_again: int = 2
    offer_all_labels: bool = True
    workers: int = 2
    neighbours: NeighboursConfig = field(default_factory=NeighboursConfig)
    candidates: CandidatesConfig = field(default_factory=CandidatesConfig)
    text: TextMatchConfig = field(default_factory=TextMatchConfig)
    choose: ChooseConfig = field(default_factory=ChooseConfig)
    download: DownloadConfig = field(default_factory=DownloadConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    retrieve: RetrieveConfig = field(default_factory=RetrieveConfig)
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    propose: ProposeConfig = field(default_factory=ProposeConfig)
    screen: ScreenConfig = field(default_factory=ScreenConfig)
    route: RouteConfig = field(default_factory=RouteConfig)
    tasks: TasksConfig = field(default_factory=TasksConfig)
    agreement: AgreementConfig = field(default_factory=AgreementConfig)


def read_curate_recipe(name: str) -> CurateRecipe:
    """Read a recipe; its relative paths are relative to its own folder.

    Raises:
        BadInput: see `recipe.read_recipe`.
    """
    recipe = read_recipe(name, CurateRecipe)
    folder = find_recipe(name).parent.resolve()
    return replace(
        recipe,
        source=tuple(place if "://" in place else str(folder / place) for place in places_of(recipe.source)),
        published=recipe.published and folder / recipe.published,
        reference=recipe.reference and folder / recipe.reference,
        reference_store=recipe.reference_store and folder / recipe.reference_store,
        screen=place_heads(recipe.screen, folder),
        controls=recipe.controls and folder / recipe.controls,
        examples=recipe.examples and folder / recipe.examples,
        neighbours=place_neighbours(recipe.neighbours, folder),
        calibrate=place_calibrate(recipe.calibrate, folder),
        published_counts=recipe.published_counts and folder / recipe.published_counts,
    )


def place_calibrate(config: CalibrateConfig, folder: Path) -> CalibrateConfig:
    """The settings with their paths taken from the recipe's folder."""
    return replace(
        config, file=config.file and folder / config.file, labelled=config.labelled and folder / config.labelled,
        reviews=tuple(folder / root for root in config.reviews),
    )  # fmt: skip


def places_of(source: str | tuple[str, ...]) -> tuple[str, ...]:
    """The places of a source that may be one or several."""
    return (source,) if isinstance(source, str) else source


def run_curate(
    recipe: CurateRecipe,
    out: Path,
    *,
    push: bool | None = None,
    retry: bool = False,
    on: str = THREADS,
    reporter: Reporter | None = None,
) -> Run:
    """Run the flow.

    Args:
        recipe: what to do.
        out: folder of the run.
        push: push the tasks to Label Studio at the end; None pushes where a server is set up.
        retry: ask again for images that failed for a reason that may pass.
        on: where shards are worked on: `threads`, `ray` or `ray://host:port`.
        reporter: where progress is shown.
    """
    run = Run(root=out, reporter=reporter or Reporter())
    check_recipe(recipe)
    with hold_folder(out):
        curate(run, recipe, retry=retry, on=on)
    if push is not False:
        from relaionet.flows.review import push_if_possible

        push_if_possible(run, must=bool(push))
    return run


def check_recipe(recipe: CurateRecipe) -> None:
    """Find what is wrong before anything is loaded.

    Raises:
        BadInput: a folder or file of the recipe is not there, or an address holds a secret.
    """
    for place in places_of(recipe.source):
        check_address(place)
    if recipe.published is not None:
        embedding_shards(recipe.published)
    if recipe.reference is not None and not recipe.reference.is_dir():
        raise BadInput(f"reference {recipe.reference} is no folder of pictures.")
    if recipe.examples is not None and not recipe.examples.is_dir():
        raise BadInput(f"examples {recipe.examples} is no folder of folders of pictures.")
    if recipe.controls is not None and not recipe.controls.is_file():
        raise BadInput(f"controls {recipe.controls} is no parquet file.")
    if recipe.published_counts is not None and not recipe.published_counts.is_file():
        raise BadInput(f"published_counts {recipe.published_counts} is no file.")
    check_references(recipe)
    check_screens(recipe.screen)
    check_neighbours(recipe.neighbours)
    check_calibrate(recipe.calibrate)
    if recipe.workers < 1:
        raise BadInput(f"workers is {recipe.workers}; it must be at least 1.")


def check_calibrate(config: CalibrateConfig) -> None:
    """Find what is missing of [calibrate] before anything is loaded.

    Raises:
        BadInput: a file, a folder or an earlier run is not there.
    """
    if config.file is not None and not config.file.is_file():
        raise BadInput(f"calibrate: file = {config.file} is no file; a run keeps its own in calibration/.")
    if config.labelled is not None and not config.labelled.is_dir():
        raise BadInput(f"calibrate: labelled = {config.labelled} is no folder of pictures.")
    for root in config.reviews:
        if not (root / "run.json").is_file():
            raise BadInput(f"calibrate: reviews: {root} holds no run.")


def curate(run: Run, recipe: CurateRecipe, *, retry: bool = False, on: str = THREADS) -> None:
    """The flow: LAION rows in, review tasks out."""
    runner = make_runner(on, recipe.workers)
    run.local = on == THREADS
    with connected(on):
        as_flow(
            "curate", lambda: run_stages(run, recipe, retry=retry), task_runner=runner, title=recipe.name,
            source=", ".join(places_of(recipe.source)), out=str(run.root),
        )  # fmt: skip


def run_stages(run: Run, recipe: CurateRecipe, *, retry: bool = False) -> None:
    """One line per stage, in the order of the story."""
    run.reporter.headline(f"Curate {recipe.name}")
    share_cores(recipe.workers)
    # a proxy changes nothing of what is made, and its address may hold a password
    shown = replace(recipe, download=replace(recipe.download, proxy=None))
    write_run_record(run.root, shown, screens=screens_record(recipe))
    search_all_neighbours(run, recipe)
    shards, rows_count = read_all_candidates(run, recipe)
    get_encoder(recipe)  # a wrong name is found before anything is fetched
    calibrate_texts(run, recipe)
    run_shards(run, TEXT_MATCHES, match_shard, shards, rows_count, recipe)
    rows_count = choose_all(run, recipe)
    report_candidates(run, recipe)
    run_shards(run, DOWNLOADS, download_shard, shards, rows_count, recipe, retry)
    finish_downloads(run)
    find_all_published(run, recipe, shards)
    run_shards(run, EMBEDDINGS, embed_shard, shards, rows_count, recipe, gpu=wants_gpu(recipe))
    search_labels(run, recipe)
    calibrate_proposals(run, recipe)
    run_shards(run, PROPOSALS, propose_shard, shards, rows_count, recipe)
    screen_all(run, recipe)
    route_all(run, recipe)
    make_review_tasks(run, recipe)
    run.reporter.say(f"  {'':<12}report: {write_proposals_report(run, recipe)}")
    publish_counts(run, "curate")

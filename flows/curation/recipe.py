"""The recipe of `curate`: every setting of the flow, read from TOML; no stage is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.tasks.tasks import TasksConfig
from relaionet.flows.runs.recipes import folder_of, read_recipe
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json_object
from relaionet.manifests.places import check_place
from relaionet.pipeline.candidates.choice import ChooseConfig
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.captions.text_match import TextMatchConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.embeddings.embed import EmbedConfig
from relaionet.pipeline.neighbours.queries import NeighboursConfig
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig
from relaionet.pipeline.proposals.propose import ProposeConfig
from relaionet.pipeline.proposals.review_budget import RouteConfig
from relaionet.pipeline.retrieval.search import RetrieveConfig
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.plan import place_screens
from relaionet.pipeline.settings import build


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
        reference: folder of pictures that must not be in the set (leaks), any depth; none where None.
        references: names of reference sets that were added with `relaionet reference add`.
        reference_store: folder of those; this machine's where None.
        controls: parquet with columns path, wnid: pictures with known labels, mixed into the review; none where None.
        examples: folder with a folder of known pictures per wnid; up to three of the proposed class are shown small on
            the reviewer's page; none where None.
        pictures: where Label Studio takes the pictures from: auto (its folder on this machine, else uploads), local,
            upload, or the address they were put under (s3://, gs://, azure-blob://, https://).
        published_counts: file of published counts per class, "name<TAB>count" a line, that the report of the candidates
            compares with; none where None.
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
    folder = folder_of(name)
    for place in places_of(recipe.source):
        check_place(place, "tables", "source")
    return replace(
        recipe,
        source=tuple(place if "://" in place else str(folder / place) for place in places_of(recipe.source)),
        published=recipe.published and folder / recipe.published,
        reference=recipe.reference and folder / recipe.reference,
        reference_store=recipe.reference_store and folder / recipe.reference_store,
        screen=place_screens(recipe.screen, folder),
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


def place_neighbours(config: NeighboursConfig, folder: Path) -> NeighboursConfig:
    """The config with its relative paths taken from the folder of its recipe."""
    return replace(
        config, folder=config.folder and folder / config.folder, pictures=config.pictures and folder / config.pictures
    )


def read_run_recipe(root: Path) -> CurateRecipe:
    """The recipe a run was curated with.

    Raises:
        BadInput: the folder holds no curated run.
    """
    if not (root / "run.json").is_file():
        raise BadInput(f"{root} holds no run; make one with `relaionet curate --recipe FILE --out {root}`.")
    record = read_json_object(root / "run.json")
    if not isinstance(record, dict) or not isinstance(record.get("recipe"), dict):
        raise BadInput(f"{root / 'run.json'} is not that of a curated run; name one with --run.")
    return build(CurateRecipe, record["recipe"], where=str(root / "run.json"))

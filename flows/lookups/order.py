"""What is looked up, where: checked whole before anything is searched, embedded or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relaionet.flows.curation.recipe import read_run_recipe
from relaionet.flows.curation.vectors import RunModels
from relaionet.flows.rebuilding import locate_release
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput
from relaionet.manifests.places import LOCAL, check_place, local_path
from relaionet.manifests.release.release import Release, check_release
from relaionet.manifests.words import say_count
from relaionet.pipeline.candidates.judge import CandidatesConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig, check_proxy
from relaionet.pipeline.lookup.places import RUN_EMBEDDINGS, LookupConfig, Places, sort_places, stated_encoder
from relaionet.pipeline.neighbours.service import RetrievalService
from relaionet.pipeline.sources.read import open_source


@dataclass(frozen=True, kw_only=True)
class LookupOrder:
    """What is to be looked up.

    Attributes:
        release: folder of a release or of releases, or `hf://datasets/owner/name[@revision]`.
        places: folders of embeddings or of runs, addresses of clip-retrieval services, tables of metadata.
        out: folder of the lookup.
        images: folder on this machine that holds the release's pictures; needed where embeddings are searched.
        encoder: the one the embeddings were made with; None takes what they say themselves.
        device: it runs on.
        releases: folder the new version is written to; None takes the folder of the old one.
        config: how addresses are looked for.
        download: limits and rate limits of fetching, and the proxy.
        retry: ask once more for addresses that were gone for a reason that may pass.
        workers: shards at work at once.
    """

    release: str
    places: tuple[str, ...]
    out: Path
    images: Path | None = None
    encoder: str | None = None
    device: str = "auto"
    releases: Path | None = None
    config: LookupConfig = field(default_factory=LookupConfig)
    download: DownloadConfig = field(default_factory=DownloadConfig)
    retry: bool = False
    workers: int = 1


@dataclass(frozen=True, kw_only=True)
class LookupWork:
    """What the flow works with.

    Attributes:
        order: what was asked for.
        run: its folder, held by whoever made this.
        release: checked.
        places: sorted.
        models: with the encoder; None where nothing is embedded here.
        releases: folder the new version is written to.
    """

    order: LookupOrder
    run: Run
    release: Release
    places: Places
    models: RunModels | None
    releases: Path

    @property
    def sought(self) -> Run:
        """The release's rows and their pictures, with tables of their own."""
        return Run(root=self.run.root / "sought", reporter=self.run.reporter, local=self.run.local)

    @property
    def candidates(self) -> CandidatesConfig:
        """How tables of metadata are read: nothing is left out for its size or look, the release holds it already."""
        return CandidatesConfig(
            captions=self.order.config.captions or "any", min_side_px=1, max_punsafe=1.0, max_pwatermark=1.0,
            rows_per_shard=self.order.config.rows_per_shard,
        )  # fmt: skip


@contextmanager
def open_lookup(order: LookupOrder, reporter: Reporter) -> Iterator[LookupWork]:
    """Look at everything a lookup needs, and hold its folder.

    Raises:
        BadInput: the release has nothing to look up, or something is missing or does not fit.
        Corrupt: a file of the release is not what it was.
        Unavailable: the Hub, a service or a proxy does not answer.
    """
    places = sort_places(order.places)
    release = check_release(locate_release(order.release, reporter))
    lacking = release.manifest["url"].null_count()
    if not lacking:
        raise BadInput(f"{release.info.full_name}: every row has an address already; `relaionet rebuild` fetches them.")
    if order.workers < 1:
        raise BadInput(f"workers is {order.workers}; it must be at least 1.")
    check_proxy(order.download)
    models = _find_models(order, places)
    if places.take_vectors and order.images is None:
        raise BadInput(
            "embeddings are searched with the release's pictures: name the folder that holds them with --images. "
            "Tables of metadata (--in FILE.parquet) need none."
        )
    _check_sources(order, places)
    for service in places.services:  # it is there and has one index, before hours of embedding
        with RetrievalService(url=service, retries=1) as asked:
            asked.pick_index("")
    reporter.headline(
        f"Look up {release.info.full_name}: {lacking:,} of {say_count(release.manifest.height, 'row')} lack an address"
    )
    is_local = check_place(order.release, "release", "RELEASE") == LOCAL
    releases = order.releases or (release.path.parent if is_local else order.out / "releases")
    with hold_folder(local_path(order.out, "out")):
        yield LookupWork(
            order=order, run=Run(root=order.out, reporter=reporter), release=release, places=places, models=models,
            releases=releases,
        )  # fmt: skip


def _find_models(order: LookupOrder, places: Places) -> RunModels | None:
    """The encoder named, else the one all folders of embeddings say they were made with.

    Raises:
        BadInput: none is named and a folder says none, or they say several.
    """
    if order.encoder is None and not places.stores:
        return None
    stated = {store: _stated(store) for store in places.stores}
    name = order.encoder
    if name is None:
        silent = [store for store, said in stated.items() if said is None]
        if silent:
            raise BadInput(f"{silent[0]} does not say which encoder made it; name it with --encoder.")
        if len(names := sorted({said for said in stated.values() if said})) > 1:
            raise BadInput(
                f"the embeddings were made with several encoders ({', '.join(names)}); look in one kind at a time."
            )
        name = names[0]
    return RunModels(encoder_name=name, encoder_options={"device": order.device})


def _stated(store: Path) -> str | None:
    run = store.parent.parent
    if store.parts[-2:] == RUN_EMBEDDINGS.parts and (run / "run.json").is_file():
        return read_run_recipe(run).encoder
    return stated_encoder(store)


def _check_sources(order: LookupOrder, places: Places) -> None:
    """Refuse to fetch the whole web for want of a word."""
    if not places.sources:
        return
    source = open_source(places.sources)
    if order.config.captions is None and source.rows_estimate > order.config.most_rows:
        raise BadInput(
            f"{', '.join(places.sources)}: about {say_count(source.rows_estimate, 'row')} without "
            f"embeddings, and every one would "
            "be fetched. Search published embeddings of them instead (--in FOLDER), or say --captions match to fetch "
            "those whose caption names one class, or --captions any to fetch all."
        )

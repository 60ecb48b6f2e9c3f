"""Where addresses are looked for: embeddings on disk, clip-retrieval services, and tables of metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json_object
from relaionet.manifests.places import local_path
from relaionet.pipeline.neighbours.service import service_address
from relaionet.pipeline.splits.verdicts import VerdictConfig

VERSION = "1"
Captions = Literal["any", "match"]
# of a run that `relaionet curate` made
RUN_EMBEDDINGS = Path("embeddings") / "clip"
ENCODER_FILE = "encoder.json"
TABLE_ENDINGS = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".gz", ".zst", ".bz2", ".xz", ".txt")


@dataclass(frozen=True, kw_only=True)
class LookupConfig:
    """How addresses are looked for.

    Attributes:
        per_row_count: nearest pictures looked at for each row, in each place that holds embeddings.
        min_cosine: of the embeddings (-1 to 1): what lies farther from a row's picture is not fetched for it.
        captions: of tables of metadata without embeddings "any" fetches every row, "match" those whose caption names
            exactly one class.
        most_rows: rows of such tables that are fetched at most without `captions` being set by whoever asks.
        verdicts: when an address serves the picture: as a rebuild decides it.
        rows_per_shard: rows of the release, and addresses, worked on between two points a stopped run goes on from.
    """

    per_row_count: int = 10
    min_cosine: float = 0.7
    captions: Captions | None = None
    most_rows: int = 2_000_000
    verdicts: VerdictConfig = field(default_factory=VerdictConfig)
    rows_per_shard: int = 10_000

    def __post_init__(self) -> None:
        for name in ("per_row_count", "rows_per_shard"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} = {getattr(self, name)}: expected at least 1.")
        if not -1 <= self.min_cosine <= 1:
            raise BadInput(f"min_cosine = {self.min_cosine}: expected -1 to 1.")
        if self.captions not in (None, "any", "match"):
            raise BadInput(f"captions = '{self.captions}': expected 'any' or 'match'.")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Places by what they hold.

    Attributes:
        stores: folders of embeddings in clip-retrieval's layout.
        services: addresses of clip-retrieval services.
        sources: files, folders, globs or addresses of tables of metadata.
    """

    stores: tuple[Path, ...] = ()
    services: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def take_vectors(self) -> bool:
        """True where embeddings are searched."""
        return bool(self.stores or self.services)


def sort_places(places: Sequence[str]) -> Places:
    """Say of each place what it is.

    A folder with `img_emb` holds embeddings, as does the folder of a run with `embeddings/clip`; an http address is a
    service unless it ends like a table; everything else is a source of metadata.

    Raises:
        BadInput: none is given, a folder of embeddings is empty, or an address holds a password.
    """
    if not places:
        raise BadInput("nowhere to look: name embeddings, a clip-retrieval service or tables of metadata with --in.")
    stores, services, sources = list[Path](), list[str](), list[str]()
    for place in dict.fromkeys(places):
        if place.lower().startswith(("http://", "https://")):
            is_table = urlsplit(place).path.lower().endswith(TABLE_ENDINGS)
            (sources if is_table else services).append(place if is_table else service_address(place))
            continue
        store = None if "://" in place else _find_store(local_path(place, "--in"))
        if store is None:
            sources.append(place)
        else:
            stores.append(store)
    return Places(stores=tuple(stores), services=tuple(services), sources=tuple(sources))


def _find_store(folder: Path) -> Path | None:
    return next((path for path in (folder, folder / RUN_EMBEDDINGS) if (path / "img_emb").is_dir()), None)


def name_of(place: Path | str) -> str:
    """A place as it is told in a release: a service by its address, a folder by its name and never by its path."""
    if isinstance(place, str):
        return place
    parts = place.absolute().parts
    return parts[-3] if parts[-2:] == RUN_EMBEDDINGS.parts and len(parts) > 3 else parts[-1]


def stated_encoder(store: Path) -> str | None:
    """Name of the encoder a store says it was made with; None where nothing says so."""
    path = store / ENCODER_FILE
    told = read_json_object(path).get("name") if path.is_file() else None
    return told if isinstance(told, str) else None

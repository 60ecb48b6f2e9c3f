"""What is searched: the queries of every label, as texts and as example pictures, and the settings of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import file_sha256
from relaionet.manifests.labels import Label, find_label
from relaionet.pipeline.embeddings import class_texts, embed
from relaionet.pipeline.embeddings.encoders import Encoder
from relaionet.pipeline.neighbours.service import service_address

if TYPE_CHECKING:
    import numpy as np

SEARCHES = {"text": "text_search", "picture": "image_search"}


@dataclass(frozen=True, kw_only=True)
class NeighboursConfig:
    """Where and how neighbours are searched; without `service` and `folder` they are not.

    Attributes:
        service: address of a clip-retrieval service, such as http://127.0.0.1:1234.
        index: name of an index of the service; empty for its only one.
        folder: instead of a service, embeddings in clip-retrieval's layout (img_emb/*.npy, metadata/*.parquet).
        wnids: classes searched; empty for all 1000.
        per_query_count: nearest pictures asked for per query; the service drops its duplicates from these.
        templates: text queries of each class, {name} and {gloss} filled in; empty for none.
        pictures: folder of example pictures in folders by wnid, each an image query; None for none.
        pictures_per_class_count: example pictures used per class, the first by name.
        encoder: who turns texts and pictures into vectors: "service", or "run" for the run's own encoder, which must
            be the one the index was made with. A folder always takes the run's.
        deduplicate: the service leaves out pictures nearly equal to a nearer one.
        safety: the service leaves out what its safety model calls unsafe, where it has one.
        violence: the service leaves out what its violence detector finds, where it has one.
        aesthetic_score: 0 to 9, the look that is preferred where `aesthetic_weight` is not 0.
        aesthetic_weight: how much that look counts against the query, 0 to 1; 0 asks for none, since a preferred look
            narrows a test set.
        requests_in_flight: queries asked at once, over all workers.
        timeout_s: longest time one request may take.
        retries: how often a request is tried again.
        backoff_s: wait before the first of these, doubled each time.
        max_answer_bytes: longest answer read.
        max_picture_bytes: largest example picture.
        classes_per_shard: classes per receipt; a killed run asks again for at most this many per worker.
    """

    service: str = ""
    index: str = ""
    folder: Path | None = None
    wnids: tuple[str, ...] = ()
    per_query_count: int = 200
    templates: tuple[str, ...] = ("a photo of a {name}",)
    pictures: Path | None = None
    pictures_per_class_count: int = 8
    encoder: Literal["service", "run"] = "service"
    deduplicate: bool = True
    safety: bool = True
    violence: bool = True
    aesthetic_score: int = 9
    aesthetic_weight: float = 0.0
    requests_in_flight: int = 4
    timeout_s: float = 30.0
    retries: int = 3
    backoff_s: float = 1.0
    max_answer_bytes: int = 32 << 20
    max_picture_bytes: int = 8 << 20
    classes_per_shard: int = 50

    @property
    def is_on(self) -> bool:
        """True where neighbours are searched."""
        return bool(self.service) or self.folder is not None

    @property
    def takes_encoder(self) -> bool:
        """True where the run's encoder makes the vectors."""
        return self.is_on and (self.folder is not None or self.encoder == "run")


@dataclass(frozen=True, kw_only=True)
class Query:
    """One search.

    Attributes:
        label: class searched for.
        kind: text or picture.
        asked: the text, or the name of the picture below the folder of example pictures.
        path: of the picture; None for a text.
    """

    label: Label
    kind: Literal["text", "picture"]
    asked: str
    path: Path | None = None


def check_neighbours(config: NeighboursConfig) -> None:
    """Find what is wrong before anything is loaded or asked.

    Raises:
        BadInput: a value cannot be, or a folder is not there.
    """
    if not config.is_on:
        return
    if config.service and config.folder is not None:
        raise BadInput("neighbours: both service and folder are set; search one of them.")
    if config.service:
        service_address(config.service)
    elif config.folder is not None and not (config.folder / "img_emb").is_dir():
        raise BadInput(f"neighbours: folder {config.folder} holds no img_emb; expected clip-retrieval's layout.")
    if not config.templates and config.pictures is None:
        raise BadInput("neighbours: there is nothing to search with; set templates, or pictures, or both.")
    for template in config.templates:
        class_texts.check_template(template)
    for wnid in config.wnids:
        find_label(wnid)
    if config.pictures is not None:
        _check_pictures(config.pictures)
    for name, least in LEAST.items():
        if getattr(config, name) < least:
            raise BadInput(f"neighbours: {name} is {getattr(config, name)}; it must be at least {least:g}.")
    if not (0 <= config.aesthetic_score <= 9 and 0 <= config.aesthetic_weight <= 1):
        raise BadInput("neighbours: aesthetic_score goes from 0 to 9, aesthetic_weight from 0 to 1.")


LEAST = {
    "per_query_count": 1, "pictures_per_class_count": 1, "requests_in_flight": 1, "timeout_s": 0.01, "retries": 0,
    "backoff_s": 0, "max_answer_bytes": 1024, "max_picture_bytes": 1, "classes_per_shard": 1,
}  # fmt: skip


def _check_pictures(folder: Path) -> None:
    if not folder.is_dir():
        raise BadInput(f"neighbours: pictures {folder} is no folder.")
    wnids = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    if not wnids:
        raise BadInput(f"neighbours: pictures {folder} holds no folders; expected one per class, named by its wnid.")
    for wnid in wnids:
        find_label(wnid)


def make_queries(labels: Sequence[Label], config: NeighboursConfig) -> list[Query]:
    """Every query of some labels: the texts of a label, then its example pictures by name."""
    queries = []
    for label in labels:
        texts = (template.format(name=label.name, gloss=label.gloss) for template in config.templates)
        queries += [Query(label=label, kind="text", asked=text) for text in texts]
        for path in _pictures_of(label, config):
            queries.append(Query(label=label, kind="picture", asked=f"{label.wnid}/{path.name}", path=path))
    return queries


def _pictures_of(label: Label, config: NeighboursConfig) -> list[Path]:
    if config.pictures is None:
        return []
    files = sorted(path for path in (config.pictures / label.wnid).glob("*") if path.is_file())
    return files[: config.pictures_per_class_count]


def picture_digests(labels: Sequence[Label], config: NeighboursConfig) -> list[tuple[str, str]]:
    """Names and sha256 of the example pictures of some labels, for the digest of what is made of them."""
    queries = make_queries(labels, config)
    return [(query.asked, file_sha256(query.path)) for query in queries if query.path is not None]


def embed_queries(queries: Sequence[Query], config: NeighboursConfig, encoder: Encoder) -> np.ndarray:
    """Unit rows of the queries by the run's encoder, [Q, D] float32.

    Raises:
        BadInput: an example picture cannot be decoded.
    """
    import numpy as np

    vectors = np.empty((len(queries), encoder.dim), dtype=np.float32)
    texts = [i for i, query in enumerate(queries) if query.path is None]
    if texts:
        vectors[texts] = encoder.encode_texts([queries[i].asked for i in texts])
    pictures = [i for i, query in enumerate(queries) if query.path is not None]
    if pictures and config.pictures is not None:
        names = [queries[i].asked for i in pictures]
        ids = [sha256(name.encode()).hexdigest() for name in names]
        table, rows = embed.embed_images(
            pl.DataFrame({"candidate_id": ids, "path": names}), encoder, config.pictures, embed.EmbedConfig()
        )
        for name, reason in zip(names, table["reason"], strict=True):
            if reason is not None:
                raise BadInput(f"neighbours: example picture {config.pictures / name}: {reason}; take it out.")
        vectors[pictures] = rows
    return vectors

"""The encoder of a run, loaded once per process, and the vectors it made."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol, cast

import polars as pl

from relaionet.flows.runs.run import Run, input_digest
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import EMBEDDINGS, HITS
from relaionet.pipeline.embeddings import class_texts
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder
from relaionet.pipeline.embeddings.store import embedding_shards, embeddings_digest, read_embeddings
from relaionet.pipeline.retrieval import search as retrieve
from relaionet.pipeline.retrieval.shards import VectorShards, as_shards, map_files

if TYPE_CHECKING:
    import numpy as np

    from relaionet.flows.curation.recipe import CurateRecipe

_loaded: dict[str, Any] = {}
_loading = RLock()  # shards at work at once must not load a model each


class NamesEncoder(Protocol):
    """A recipe that names an encoder."""

    @property
    def encoder(self) -> str:
        """As `load_encoder` takes it."""
        ...

    @property
    def encoder_options(self) -> dict[str, Any]:
        """Passed to it."""
        ...


def get_encoder(recipe: NamesEncoder) -> Encoder:
    """The recipe's encoder, loaded once per process."""
    key = digest_of("encoder", recipe.encoder, recipe.encoder_options)
    with _loading:
        if key not in _loaded:
            _loaded[key] = load_encoder(recipe.encoder, **recipe.encoder_options)
        return cast("Encoder", _loaded[key])


def wants_gpu(recipe: NamesEncoder) -> bool:
    """True where the recipe's encoder takes a GPU if there is one."""
    return str(recipe.encoder_options.get("device", "auto")).startswith(("auto", "cuda"))


def once_per_process(key: str, make: Callable[[], Any]) -> Any:
    """What `make` gives, made by the first of the shards at work at once that asks for it."""
    with _loading:
        if key not in _loaded:
            _loaded[key] = make()
        return _loaded[key]


def get_label_vectors(recipe: CurateRecipe) -> np.ndarray:
    """Unit vectors of the 1000 labels, [1000, D] float32, made once per process."""
    key = digest_of("labels", recipe.encoder, recipe.encoder_options, recipe.templates)
    with _loading:
        if key not in _loaded:
            _loaded[key] = class_texts.embed_class_texts(get_encoder(recipe), read_labels(), recipe.templates)
        return cast("np.ndarray", _loaded[key])


def read_vectors(run: Run, shards: list[str], encoder: Encoder) -> tuple[list[str], np.ndarray]:
    """candidate_ids and unit rows of some shards, [N, D] float16."""
    import numpy as np

    if not shards:
        return [], np.zeros((0, encoder.dim), dtype=np.float16)
    return read_embeddings(run.embeddings, [int(shard) for shard in shards])


def map_vectors(run: Run, shards: list[str], encoder: Encoder) -> tuple[list[str], VectorShards]:
    """candidate_ids and unit rows of some shards, [N, D] float16 that stay in their files until they are compared."""
    import numpy as np

    if not shards:
        return [], as_shards(np.zeros((0, encoder.dim), dtype=np.float16))
    paths = embedding_shards(run.embeddings)
    ids = [read_embeddings(run.embeddings, [int(shard)])[0] for shard in shards]
    return list(chain.from_iterable(ids)), map_files([paths[int(shard)] for shard in shards])


def vectors_of(run: Run, shards: list[str], encoder: Encoder, candidate_ids: pl.Series) -> np.ndarray:
    """Unit rows of these images of these shards in this order, [N, D] float16."""
    import numpy as np

    ids, vectors = read_vectors(run, shards, encoder)
    place = {candidate_id: row for row, candidate_id in enumerate(ids)}
    return vectors[np.array([place[candidate_id] for candidate_id in candidate_ids], dtype=np.int64)]


def search_labels(run: Run, recipe: CurateRecipe) -> None:
    """Stage 6: the images nearest to every label, exactly, read from their shards block by block."""
    encoder = get_encoder(recipe)
    shards = run.store.shards(EMBEDDINGS)
    digest = digest_of(
        [vectors_digest(run, shard) for shard in shards], encoder.fingerprint, recipe.templates, recipe.retrieve,
        retrieve.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        ids, vectors = map_vectors(run, shards, encoder)
        with run.reporter.bar(HITS.name, len(ids)) as advance:
            return retrieve.search_index(
                get_label_vectors(recipe), vectors, ids, read_labels(), recipe.retrieve, advance
            )

    run.make(HITS, digest, make)
    receipt = run.store.receipt(HITS.name)
    hits_count = receipt.rows_count if receipt else 0
    run.reporter.say(f"  {HITS.name:<12}{hits_count:>7,} nearest images of 1,000 labels searched")


def vectors_digest(run: Run, shard: str) -> str:
    """What a stage that reads a shard's vectors was given; the table alone does not change when they do."""
    return digest_of(input_digest(run, EMBEDDINGS, shard), embeddings_digest(run.embeddings, int(shard)))

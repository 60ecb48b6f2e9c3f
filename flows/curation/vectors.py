"""The models of a run, loaded when first asked for, and the vectors its encoder made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.flows.runs.loaded import Loaded
from relaionet.flows.runs.run import Run, input_digest
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import EMBEDDINGS, HITS
from relaionet.manifests.words import name_counted
from relaionet.pipeline.embeddings import class_texts
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder
from relaionet.pipeline.embeddings.store import embedding_shards, embeddings_digest, read_embeddings
from relaionet.pipeline.retrieval import search as retrieve
from relaionet.pipeline.retrieval.shards import VectorShards, as_shards, map_files

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class RunModels:
    """The models of a run, each loaded when it is first asked for, and once for all shards of a process.

    Attributes:
        encoder_name: image-text encoder, as `load_encoder` takes it.
        encoder_options: passed to it.
        templates: prompts the labels are searched with.
        loaded: what was loaded so far; a worker of a cluster has its own.
    """

    encoder_name: str
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    templates: tuple[str, ...] = ()
    loaded: Loaded = field(default_factory=Loaded, compare=False, repr=False)

    @property
    def encoder(self) -> Encoder:
        """The run's encoder."""
        key = digest_of("encoder", self.encoder_name, self.encoder_options)
        return self.loaded.once(key, lambda: load_encoder(self.encoder_name, **self.encoder_options))

    @property
    def label_vectors(self) -> np.ndarray:
        """Unit vectors of the 1000 labels, [1000, D] float32."""
        key = digest_of("labels", self.encoder_name, self.encoder_options, self.templates)
        return self.loaded.once(key, lambda: class_texts.embed_class_texts(self.encoder, read_labels(), self.templates))

    @property
    def wants_gpu(self) -> bool:
        """True where the encoder takes a GPU if there is one."""
        return str(self.encoder_options.get("device", "auto")).startswith(("auto", "cuda"))


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


def search_labels(run: Run, models: RunModels, config: retrieve.RetrieveConfig) -> None:
    """Stage 6: the images nearest to every label, exactly, read from their shards block by block."""
    encoder = models.encoder
    shards = run.store.shards(EMBEDDINGS)
    digest = digest_of(
        [vectors_digest(run, shard) for shard in shards], encoder.fingerprint, models.templates, config,
        retrieve.VERSION,
    )  # fmt: skip

    def make() -> pl.DataFrame:
        ids, vectors = map_vectors(run, shards, encoder)
        with run.reporter.bar(HITS.name, len(ids)) as advance:
            return retrieve.search_index(models.label_vectors, vectors, ids, read_labels(), config, advance)

    run.make(HITS, digest, make)
    receipt = run.store.receipt(HITS.name)
    hits_count = receipt.rows_count if receipt else 0
    run.reporter.say(
        f"  {HITS.name:<12}{hits_count:>7,} {name_counted(hits_count, 'nearest image')} of 1,000 labels searched"
    )


def vectors_digest(run: Run, shard: str) -> str:
    """What a stage that reads a shard's vectors was given; the table alone does not change when they do."""
    return digest_of(input_digest(run, EMBEDDINGS, shard), embeddings_digest(run.embeddings, int(shard)))

"""`relaionet index` and `relaionet search`: an index of a folder of embeddings, and questions to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.words import say_count
from relaionet.pipeline.embeddings.class_texts import embed_class_texts
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder
from relaionet.pipeline.retrieval.index import RECEIPT_FILE, build_index, load_index, read_receipt
from relaionet.pipeline.retrieval.index_plan import IndexConfig, plan_index
from relaionet.pipeline.retrieval.search import RetrieveConfig, search_rows
from relaionet.pipeline.retrieval.searchable_store import SearchStore, open_store

if TYPE_CHECKING:
    import numpy as np

INDEX = "index"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is searched for.

    Attributes:
        texts: each a query.
        images: picture files, each a query.
        candidate_ids: rows of the store, each a query.
    """

    texts: Sequence[str] = ()
    images: Sequence[Path] = ()
    candidate_ids: Sequence[str] = ()

    def names(self) -> list[str]:
        """Each query as it was asked."""
        return [*self.texts, *map(str, self.images), *self.candidate_ids]


def make_store_index(
    folder: Path, config: IndexConfig, *, encoder: str | None = None, templates: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> None:  # fmt: skip
    """Make the index of a store, or go on with it; recall is measured on class texts where an encoder is named.

    Raises:
        BadInput: the folder, the config or the encoder is wrong.
    """
    reporter = reporter or Reporter()
    store = open_store(folder)
    plan = plan_index(len(store.vectors), store.vectors.dim, config)
    reporter.say(plan.text())
    if plan.kind == "exact":
        reporter.say("No index is needed: `relaionet search` searches these rows exactly.")
        return
    queries = None
    if encoder is not None:
        made = load_encoder(encoder)
        _check_width(made, store)
        queries = embed_class_texts(made, read_labels(), templates or ("a photo of a {name}",))
    with hold_folder(folder), reporter.bar("index", len(store.vectors)) as advance:
        index = build_index(
            store.vectors, store.digests, plan, config, folder / INDEX, queries=queries,
            queries_name="rows" if queries is None else "class texts", progress=advance,
        )  # fmt: skip
    if index.recall:
        reporter.say(index.recall.text())


def describe_store_index(folder: Path) -> list[str]:
    """What is known of a store's index, in lines.

    Raises:
        BadInput: there is none, or it belongs to other vectors.
        Corrupt: it is not what its receipt says.
    """
    store = open_store(folder)
    index = load_index(folder / INDEX, store.vectors, store.digests)
    receipt = read_receipt(folder / INDEX)
    lines = [index.plan.text(), f"{receipt['bytes_count'] / 2**20:,.1f} MiB on disk, FAISS {receipt['faiss']}"]
    if index.recall:
        lines.append(index.recall.text())
        lines += [f"  {probes:>6,} cells: {share:.4f}" for probes, share in index.recall.by_probes.items()]
    return lines


def search_store(
    folder: Path, question: Question, count: int, *, encoder: str | None = None, use_index: bool = True,
    config: RetrieveConfig | None = None, reporter: Reporter | None = None,
) -> pl.DataFrame:  # fmt: skip
    """The nearest pictures of a store to texts, pictures or pictures of its own.

    Args:
        folder: in clip-retrieval's layout.
        question: what is searched for; texts and files need the encoder the store was made with.
        count: pictures per query.
        encoder: name, for `load_encoder`.
        use_index: use the store's index where there is one; exact otherwise.
        config: device and memory.
        reporter: where it is said how it was searched.

    Returns:
        query, rank, cosine, candidate_id, url, caption.

    Raises:
        BadInput: nothing is asked, an encoder is missing or has another width, or a file is no picture.
    """
    reporter, config = reporter or Reporter(), config or RetrieveConfig()
    store = open_store(folder)
    queries = _embed_question(question, store, encoder)
    if use_index and (folder / INDEX / RECEIPT_FILE).is_file():
        index = load_index(folder / INDEX, store.vectors, store.digests, memory_bytes=config.memory_bytes)
        reporter.say(f"{say_count(len(store.vectors), 'row')}, by index: {index.recall.text() if index.recall else ''}")
        cosines, rows = index.search(queries, count, store.order)
    else:
        reporter.say(f"{say_count(len(store.vectors), 'row')}, exactly")
        with reporter.bar("search", len(store.vectors)) as advance:
            cosines, rows = search_rows(queries, store.vectors, count, store.order, config, advance)
    return _shape(question, cosines, rows, store)


def _shape(question: Question, cosines: np.ndarray, rows: np.ndarray, store: SearchStore) -> pl.DataFrame:
    import numpy as np

    count = rows.shape[1]
    table = pl.DataFrame(
        {
            "query": np.repeat(question.names(), count),
            "rank": np.tile(np.arange(count), len(rows)),
            "cosine": cosines.ravel(),
            "row": rows.ravel(),
        }
    )
    return table.join(store.about(rows.ravel()), on="row", how="left", maintain_order="left").drop("row")


def _embed_question(question: Question, store: SearchStore, encoder: str | None) -> np.ndarray:
    """[Q, D] float32 unit rows, texts first, then files, then rows of the store."""
    import numpy as np

    if not question.names():
        raise BadInput("search: nothing is asked; give --text, --image or --id.")
    parts = []
    if question.texts or question.images:
        if encoder is None:
            raise BadInput("search: texts and pictures need --encoder, the one the embeddings were made with.")
        made = load_encoder(encoder)
        _check_width(made, store)
        if question.texts:
            parts.append(made.encode_texts(list(question.texts)))
        if question.images:
            parts.append(_embed_files(question.images, made))
    if question.candidate_ids:
        own = np.array([store.row_of(candidate_id) for candidate_id in question.candidate_ids])
        parts.append(store.vectors.take(own).astype(np.float32))
    return np.concatenate(parts)


def _embed_files(paths: Sequence[Path], encoder: Encoder) -> np.ndarray:
    from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images

    parts = []
    for path in paths:  # one by one: they may lie in different folders
        rows = pl.DataFrame({"candidate_id": [path.name], "path": [path.name]})
        table, vectors = embed_images(rows, encoder, path.resolve().parent, EmbedConfig(batch_size=1, threads=1))
        if not len(vectors):
            raise BadInput(f"search: {path} is no picture that can be read: {table['reason'][0]}.")
        parts.append(vectors.astype("float32"))
    import numpy as np

    return np.concatenate(parts)


def _check_width(encoder: Encoder, store: SearchStore) -> None:
    if encoder.dim != store.vectors.dim:
        raise BadInput(
            f"search: encoder '{encoder.name}' makes rows of {encoder.dim}, {store.folder} holds rows of "
            f"{store.vectors.dim}; name the encoder the embeddings were made with."
        )

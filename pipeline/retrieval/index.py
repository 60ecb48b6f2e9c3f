"""An index in a folder, made shard by shard: stopped and continued, with a receipt, refused for other vectors."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaionet.manifests.errors import BadInput, Corrupt, Unavailable
from relaionet.manifests.files import digest_of, file_sha256, read_json, write_json
from relaionet.manifests.replacing import drop_parts, replacing
from relaionet.pipeline.retrieval.exact import Progress
from relaionet.pipeline.retrieval.index_plan import IndexConfig, IndexPlan
from relaionet.pipeline.retrieval.ivf import ADD_ROWS, VERSION, Recall, VectorIndex, train_index, tune_index
from relaionet.pipeline.retrieval.shards import VectorShards

if TYPE_CHECKING:
    import numpy as np

INDEX_FILE, RECEIPT_FILE, PARTS = "vectors.index", "index.json", "parts"
HASHED_BYTES = 1 << 30  # larger files are told by their length


def build_index(
    base: VectorShards, digests: Sequence[str], plan: IndexPlan, config: IndexConfig, folder: Path, *,
    queries: np.ndarray | None = None, queries_name: str = "rows", progress: Progress | None = None,
) -> VectorIndex:  # fmt: skip
    """Make an index in a folder, or go on with one that was stopped, or load one that is done.

    Every shard is written to a file of its own first; what was finished is not made again. The receipt comes last.

    Args:
        base: [N, D] unit rows.
        digests: of every shard's vectors, in order.
        plan: from `plan_index`.
        config: kind and sizes of the index, the wanted recall, and the budget of memory.
        folder: for `vectors.index` (read by FAISS) and `index.json`.
        queries: see `ivf.make_index`.
        queries_name: what they are.
        progress: called with the number of rows of each shard when it is in.

    Returns:
        The index, its lists mapped from the file.

    Raises:
        BadInput: the plan is an exact search.
        Unavailable: the index cannot be written.
    """
    vectors, made_from = digest_of(list(digests)), _settings(plan, config)
    if _is_done(folder, vectors, made_from, queries_name):
        if progress:
            progress(len(base))
        return load_index(folder, base, digests, memory_bytes=config.memory_bytes)
    drop_parts(folder)
    (folder / RECEIPT_FILE).unlink(missing_ok=True)
    parts = folder / PARTS
    if (parts / "made_from.json").is_file() and read_json(parts / "made_from.json") != [vectors, made_from]:
        shutil.rmtree(parts)
    parts.mkdir(parents=True, exist_ok=True)
    write_json(parts / "made_from.json", [vectors, made_from])
    index = _fill(base, plan, config, parts, progress)
    _write(index, folder / INDEX_FILE)
    made = VectorIndex(_read(folder / INDEX_FILE), base, plan, memory_bytes=config.memory_bytes)
    tune_index(made, config, queries, queries_name)
    _write_receipt(made, vectors, made_from, folder)
    shutil.rmtree(parts)
    return made


def load_index(folder: Path, base: VectorShards, digests: Sequence[str], *, memory_bytes: int = 0) -> VectorIndex:
    """Load an index for the vectors it was made of; its lists stay in the file until they are looked into.

    Args:
        folder: that `build_index` wrote.
        base: the vectors.
        digests: of every shard of them.
        memory_bytes: most that a search may hold beside the index; 0 takes half of what is free.

    Raises:
        BadInput: there is no index, or it belongs to other vectors.
        Corrupt: it is not what its receipt says.
    """
    receipt = read_receipt(folder)
    if receipt["vectors"] != digest_of(list(digests)):
        raise BadInput(
            f"{folder} is an index of other vectors ({receipt['plan']['rows_count']:,} rows; these are {len(base):,}); "
            "make it again with `relaionet index build`."
        )
    path = folder / INDEX_FILE
    if not path.is_file() or path.stat().st_size != receipt["bytes_count"] or _sha256(path) != receipt["sha256"]:
        raise Corrupt(f"{path} is not what {RECEIPT_FILE} says; delete {folder} and make the index again.")
    found = receipt["recall"]
    recall = Recall(**{**found, "by_probes": {int(probes): share for probes, share in found["by_probes"].items()}})
    plan = IndexPlan(**{**receipt["plan"], "reasons": tuple(receipt["plan"]["reasons"])})
    return VectorIndex(
        _read(path), base, plan, probes_count=receipt["probes_count"], recall=recall, memory_bytes=memory_bytes
    )


def read_receipt(folder: Path) -> dict[str, Any]:
    """What is known of an index: plan, recall, versions.

    Raises:
        BadInput: there is none.
        Corrupt: it is no receipt.
    """
    if not (folder / RECEIPT_FILE).is_file():
        raise BadInput(f"{folder} holds no finished index; make one with `relaionet index build`.")
    receipt = read_json(folder / RECEIPT_FILE)
    keys = {"version", "vectors", "made_from", "plan", "probes_count", "recall", "bytes_count", "sha256"}
    if not isinstance(receipt, dict) or keys - set(receipt):
        raise Corrupt(f"{folder / RECEIPT_FILE} is no receipt of an index; delete {folder} and make it again.")
    return receipt


def _settings(plan: IndexPlan, config: IndexConfig) -> str:
    # the budget of a machine decides the plan, and nothing else
    return digest_of(replace(plan, budget_bytes=0, reasons=()), replace(config, kind="", memory_bytes=0), VERSION)


def _is_done(folder: Path, vectors: str, made_from: str, queries_name: str) -> bool:
    if not (folder / RECEIPT_FILE).is_file():
        return False
    receipt = read_receipt(folder)
    asked = receipt["recall"]["queries"]
    return (receipt["vectors"], receipt["made_from"], asked) == (vectors, made_from, queries_name)


def _fill(base: VectorShards, plan: IndexPlan, config: IndexConfig, parts: Path, progress: Progress | None) -> Any:
    """Train once, put every shard into a file of its own, then all of them into one index."""
    import faiss

    trained = parts / "trained.index"
    if not trained.is_file():
        _write(train_index(base, plan, config), trained)
    for place, shard in enumerate(base.shards):
        path = parts / f"part_{place}.index"
        if not path.is_file():
            index = faiss.read_index(str(trained))
            for block in VectorShards([shard], base.dim).blocks(ADD_ROWS):
                index.add(block.rows)
            _write(index, path)
        if progress:
            progress(shard.rows_count)
    whole = faiss.read_index(str(trained))
    cells = faiss.extract_index_ivf(whole)
    for place in range(len(base.shards)):
        part = faiss.read_index(str(parts / f"part_{place}.index"))
        cells.merge_from(faiss.extract_index_ivf(part), cells.ntotal)
    whole.ntotal = cells.ntotal
    return whole


def _write(index: Any, path: Path) -> None:
    import faiss

    try:
        with replacing(path) as part:
            faiss.write_index(index, str(part))
    except RuntimeError as error:
        why = " ".join(str(error).split())[-200:]
        raise Unavailable(f"{path} could not be written ({why}); free some space, then go on.") from None


def _read(path: Path) -> Any:
    import faiss

    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    except RuntimeError as error:
        why = " ".join(str(error).split())[-200:]
        raise Corrupt(f"{path} cannot be read ({why}); delete {path.parent} and make the index again.") from None


def _sha256(path: Path) -> str | None:
    return file_sha256(path) if path.stat().st_size <= HASHED_BYTES else None


def _write_receipt(made: VectorIndex, vectors: str, made_from: str, folder: Path) -> None:
    path = folder / INDEX_FILE
    write_json(
        folder / RECEIPT_FILE,
        {
            "version": VERSION, "vectors": vectors, "made_from": made_from, "plan": asdict(made.plan),
            "probes_count": made.probes_count, "recall": asdict(made.recall) if made.recall else None,
            "bytes_count": path.stat().st_size, "sha256": _sha256(path), "faiss": version_of_faiss(),
        },
    )  # fmt: skip


def version_of_faiss() -> str:
    """Of the package that is installed, for the CPU or for GPUs."""
    import faiss

    return str(getattr(faiss, "__version__", None) or version("faiss-cpu"))

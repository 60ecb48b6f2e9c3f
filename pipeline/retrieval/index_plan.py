"""Which index suits a set of vectors: chosen from their number and width, the queries and the memory, with reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass

from relaionet.manifests.errors import BadInput, nearest_name
from relaionet.pipeline.machine import memory_budget

KINDS = ("auto", "exact", "ivf_flat", "ivf_pq")
SMALL_COUNT = 20_000  # below, a search of all rows takes milliseconds
ROWS_PER_CELL_MIN = 39  # FAISS warns below
TRAINING_ROWS_PER_CELL = 48
TRAINING_PASSES = 10  # of k-means in FAISS's inverted files
SCAN_COST = 8  # a row compared in a list against one compared in a matrix product; measured 3 to 8 on two cores
PROBED_FRAC = 1 / 64  # of the cells, a guess that serves the comparison of costs; the number is measured afterwards
ID_BYTES = 8
INDEX_FRAC = 0.8  # of the budget; the rest is for queries and results
CODE_SHARES = (4, 8, 16, 32)  # numbers of a row that share one byte of a product-quantized code


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """How an index is chosen, made and tuned.

    Attributes:
        kind: `auto`, `exact` (no index), `ivf_flat` (cells of float16 rows) or `ivf_pq` (cells of short codes, rotated
            by OPQ; what they find is sorted again by the rows themselves).
        cells_count: cells of the index; 0 takes about 4 times the square root of the rows.
        code_bytes: bytes of a code of `ivf_pq`, a divisor of the width; 0 takes the longest that fits.
        probes_count: cells looked into per query; 0 takes as few as reach `wanted_recall`.
        wanted_recall: least share of the true nearest rows an index must find, 0 to 1.
        recall_at: neighbours over which recall is measured.
        sample_count: queries recall is measured on.
        memory_bytes: most the index may take in memory; 0 takes half of what is free.
        seed: of the training sample and of k-means.
    """

    kind: str = "auto"
    cells_count: int = 0
    code_bytes: int = 0
    probes_count: int = 0
    wanted_recall: float = 0.99
    recall_at: int = 10
    sample_count: int = 1000
    memory_bytes: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class IndexPlan:
    """What will be made, and why.

    Attributes:
        kind: `exact`, `ivf_flat` or `ivf_pq`.
        rows_count: rows to be searched.
        dim: their width.
        cells_count: cells; 0 where exact.
        code_bytes: bytes of a code; 0 where rows are kept whole.
        training_rows_count: rows k-means is given.
        bytes_per_row: of the index.
        index_bytes: expected of the whole index in memory.
        budget_bytes: that it was fitted into.
        reasons: one sentence each.
    """

    kind: str
    rows_count: int
    dim: int
    cells_count: int = 0
    code_bytes: int = 0
    training_rows_count: int = 0
    bytes_per_row: int = 0
    index_bytes: int = 0
    budget_bytes: int = 0
    reasons: tuple[str, ...] = ()

    def text(self) -> str:
        """The plan in one line."""
        if self.kind == "exact":
            return f"exact search of {self.rows_count:,} rows of {self.dim}; {'; '.join(self.reasons)}"
        code = f", codes of {self.code_bytes} bytes" if self.code_bytes else ""
        return (
            f"{self.kind} of {self.rows_count:,} rows of {self.dim}: {self.cells_count:,} cells{code}, "
            f"{self.bytes_per_row} bytes per row, about {self.index_bytes / 2**20:,.0f} MiB; {'; '.join(self.reasons)}"
        )


def plan_index(rows_count: int, dim: int, config: IndexConfig, *, queries_count: int | None = None) -> IndexPlan:
    """Choose an index.

    Args:
        rows_count: N, rows to be searched.
        dim: D, their width.
        config: what is set in it is kept to; the rest is chosen.
        queries_count: queries that will be asked in all; None where the index is to be kept and asked again and again.

    Returns:
        The plan. An index made for one round of few queries costs more than it saves: k-means and the sorting of every
        row into its cell compare each row with every centre, as often as an exact search of that many queries would.

    Raises:
        BadInput: a setting is out of range.
    """
    _check(rows_count, dim, config)
    budget = memory_budget(config.memory_bytes)
    kind, reasons = config.kind, [f"{config.kind} was asked for"]
    if kind == "auto":
        kind, reasons = _choose_kind(rows_count, dim, budget, queries_count)
    if kind == "exact":
        return IndexPlan(
            kind=kind, rows_count=rows_count, dim=dim, budget_bytes=budget, reasons=tuple(reasons)
        )  # fmt: skip
    code_bytes = (config.code_bytes or _code_bytes(rows_count, dim, budget)[0]) if kind == "ivf_pq" else 0
    cells_count = config.cells_count or _cells_count(rows_count)
    training_rows_count = min(rows_count, max(TRAINING_ROWS_PER_CELL * cells_count, 256 * ROWS_PER_CELL_MIN))
    fitting = max(int(INDEX_FRAC * budget) // (4 * dim), cells_count)
    if training_rows_count > fitting:
        training_rows_count = fitting
        reasons.append("k-means is given the rows that fit into the budget")
    bytes_per_row = (code_bytes or 2 * dim) + ID_BYTES
    return IndexPlan(
        kind=kind, rows_count=rows_count, dim=dim, cells_count=cells_count, code_bytes=code_bytes,
        training_rows_count=training_rows_count, bytes_per_row=bytes_per_row,
        index_bytes=rows_count * bytes_per_row + 4 * dim * cells_count + (4 * dim * dim if code_bytes else 0),
        budget_bytes=budget, reasons=tuple(reasons),
    )  # fmt: skip


def _choose_kind(rows_count: int, dim: int, budget: int, queries_count: int | None) -> tuple[str, list[str]]:
    """Kind and reasons."""
    if rows_count < SMALL_COUNT:
        return "exact", [f"under {SMALL_COUNT:,} rows an index gains nothing"]
    if queries_count is not None:
        exact, indexed = rows_count * queries_count, _index_cost(rows_count, queries_count)
        costs = f"{queries_count:,} queries cost {exact:.2g} comparisons, {indexed:.2g} with an index made first"
        if exact <= indexed:
            return "exact", [costs]
        reasons = [costs]
    else:
        reasons = ["it is kept and asked again"]
    room = f"{budget / 2**20:,.0f} MiB may be used"
    if rows_count * (2 * dim + ID_BYTES) <= INDEX_FRAC * budget:
        return "ivf_flat", [*reasons, f"whole rows fit: {room}"]
    code_bytes, fits = _code_bytes(rows_count, dim, budget)
    if fits:
        return "ivf_pq", [*reasons, f"whole rows do not fit and codes of {code_bytes} bytes do: {room}"]
    return "exact", [*reasons, f"not even codes of {code_bytes} bytes fit, so the shards are read one by one: {room}"]


def _index_cost(rows_count: int, queries_count: int) -> float:
    """Comparisons of rows that making an index and asking it cost, in units of those of a matrix product."""
    cells = _cells_count(rows_count)
    training = min(rows_count, TRAINING_ROWS_PER_CELL * cells) * cells * TRAINING_PASSES
    asking = queries_count * (cells + SCAN_COST * PROBED_FRAC * rows_count)
    return training + rows_count * cells + asking


def _cells_count(rows_count: int) -> int:
    """The power of two nearest to 4·√N, with enough rows for every cell."""
    wanted = 2 ** round(math.log2(4 * math.sqrt(max(1, rows_count))))
    return max(1, min(wanted, rows_count // ROWS_PER_CELL_MIN))


def _code_bytes(rows_count: int, dim: int, budget: int) -> tuple[int, bool]:
    """The longest code that fits into the budget, and whether it does."""
    lengths = [dim // share for share in CODE_SHARES if dim % share == 0 and dim // share] or [1]
    for length in lengths:
        if rows_count * (length + ID_BYTES) <= INDEX_FRAC * budget:
            return length, True
    return lengths[-1], False


def _check(rows_count: int, dim: int, config: IndexConfig) -> None:
    if config.kind not in KINDS:
        raise BadInput(f"index: kind '{config.kind}' is not known.{nearest_name(config.kind, KINDS)}")
    if not 0 < config.wanted_recall <= 1:
        raise BadInput(f"index: wanted_recall is {config.wanted_recall}; expected more than 0, at most 1.")
    for name in ("cells_count", "code_bytes", "probes_count", "memory_bytes"):
        if getattr(config, name) < 0:
            raise BadInput(f"index: {name} is {getattr(config, name)}; expected 0 (chosen) or more.")
    for name in ("recall_at", "sample_count"):
        if getattr(config, name) < 1:
            raise BadInput(f"index: {name} is {getattr(config, name)}; expected 1 or more.")
    if config.kind in ("ivf_flat", "ivf_pq") and rows_count <= max(config.cells_count, 1):
        raise BadInput(
            f"index: {rows_count:,} rows for {config.cells_count:,} cells; there must be more rows than cells."
        )
    if config.code_bytes and dim % config.code_bytes:
        raise BadInput(f"index: code_bytes is {config.code_bytes}; it must divide the width of the rows, {dim}.")
    if config.kind == "ivf_pq" and rows_count < 256:
        raise BadInput(f"index: ivf_pq needs at least 256 rows to learn its codes from; there are {rows_count:,}.")

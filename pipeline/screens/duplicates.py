"""Duplicates in a set and leaks of reference sets, over all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.images.perceptual_hash import phash_distance
from relaionet.pipeline.retrieval.cosines import exact_cosines
from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows
from relaionet.pipeline.screens.near_references import NEAR, NearReferences
from relaionet.pipeline.screens.registration import PRINT_BYTES
from relaionet.pipeline.screens.same_pictures import Pictures, SamePictureConfig, above, choose_kept, find_same

if TYPE_CHECKING:
    import numpy as np

NEAREST = {
    "nearest_id": pl.String, "nearest_cosine": pl.Float32, "phash_distance": pl.Int32, "correlation": pl.Float32,
    "detail": pl.Float32, "shared_frac": pl.Float32, "is_mirrored": pl.Boolean, "duplicate_of": pl.String,
}  # fmt: skip
LEAKS = {
    "reference": pl.String, "reference_cosine": pl.Float32, "reference_distance": pl.Int32,
    "reference_detail": pl.Float32, "leak_via": pl.String,
}  # fmt: skip

EQUAL = {"correlation": 1.0, "detail": 1.0, "shared_frac": 1.0, "is_mirrored": False}  # equal hash and print


class ReferenceSet(Protocol):
    """Pictures that must not be in the set, in blocks that fit in memory."""

    @property
    def name(self) -> str:
        """Shown as evidence, before the picture's own name."""
        ...

    @property
    def pictures_count(self) -> int:
        """How many it holds."""
        ...

    def blocks(self) -> Iterator[tuple[Sequence[str], Pictures]]:
        """Names and pictures, block by block."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A reference set in memory.

    Attributes:
        name: shown as evidence.
        ids: M names of its pictures.
        pictures: what is compared of them.
    """

    name: str
    ids: Sequence[str]
    pictures: Pictures

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.pictures.phashes):
            raise BadInput(f"reference {self.name}: {len(self.ids)} names for {len(self.pictures.phashes)} pictures.")
        self.pictures.check(f"reference {self.name}")

    @property
    def pictures_count(self) -> int:
        """How many it holds."""
        return len(self.ids)

    def blocks(self) -> Iterator[tuple[Sequence[str], Pictures]]:
        """All of it as one block."""
        yield self.ids, self.pictures


def pictures_of(rows: pl.DataFrame, vectors: np.ndarray | None) -> Pictures:
    """What is compared of rows with phash, phash_mirrored and print."""
    import numpy as np

    prints = np.frombuffer(bytes.fromhex("".join(rows["print"])), dtype=np.uint8).reshape(-1, PRINT_BYTES)
    return Pictures(
        phashes=rows["phash"].to_list(), mirrored=rows["phash_mirrored"].to_list(), prints=prints, vectors=vectors
    )


def compare_pictures(
    rows: pl.DataFrame, vectors: np.ndarray | None, references: Iterable[ReferenceSet], config: SamePictureConfig, *,
    device: str = "auto", progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Find what is the same picture as another row, or as one of the reference sets.

    Rows whose status is not `ok` are ruled out already: they get their nearest neighbour, and no part in groups.

    Args:
        rows: candidate_id, pixels, status, phash, phash_mirrored, print.
        vectors: [N, D] unit rows of the same N rows; None compares by hashes alone.
        references: pictures that must not be in the set.
        config: what counts as the same picture, and how near the pairs are that are looked at.
        device: where FAISS searches.
        progress: called with the number of reference pictures just compared.

    Returns:
        The rows in their order with the columns of NEAREST, LEAKS and NEAR; `reference` and `duplicate_of` are what the
        screens `leak` and `duplicate` go by.
    """
    import numpy as np

    order = rows["candidate_id"].arg_sort().to_numpy()  # by id, so that the order of the rows decides nothing
    table = rows[order]
    compared = _Comparison(table, pictures_of(table, None if vectors is None else vectors[order]), config, device)
    values = compared.run(references, progress)
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    columns = [pl.Series(name, values[name], dtype=kind) for name, kind in {**NEAREST, **LEAKS, **NEAR}.items()]
    return table.with_columns(*columns)[back]


@dataclass(frozen=True)
class _Leak:
    """A reference picture, the best match sorting first."""

    negative_detail: float
    name: str
    bits: int
    cosine: float | None
    via: str | None = None


class _Comparison:
    """One run of `compare_pictures` over rows sorted by id.

    Rows with the same hash and print form a class; one row stands for it, so that a picture served a thousand times
    costs one comparison and not a million.
    """

    def __init__(self, table: pl.DataFrame, pictures: Pictures, config: SamePictureConfig, device: str) -> None:
        import numpy as np

        self.pictures, self.config, self.device = pictures, config, device
        self.ids, self.status = table["candidate_id"].to_list(), table["status"].to_list()
        pixels = table["pixels"].to_list()
        self._best_first = lambda row: (-pixels[row], self.ids[row])
        members: dict[tuple[str, bytes], list[int]] = {}
        for row, status in enumerate(self.status):
            if status == "ok":
                key = (pictures.phashes[row], pictures.prints[row].tobytes())
                members.setdefault(key, []).append(row)
        self.classes = [sorted(group, key=self._best_first) for group in members.values()]
        self.stand_ins = np.array([group[0] for group in self.classes], dtype=np.int64)
        self.near_references = NearReferences(len(self.classes))

    def run(self, references: Iterable[ReferenceSet], progress: Callable[[int], None] | None) -> dict[str, list[Any]]:
        """All columns, row by row."""
        chosen = self.pictures.chosen(self.stand_ins)
        neighbours, cosines = self._nearest_stand_ins(chosen)
        near = neighbours if neighbours is None else above(neighbours, cosines, self.config.neighbour_cosine)
        pairs = find_same(chosen, chosen, self.config, neighbours=near, device=self.device)
        order = sorted(range(len(self.classes)), key=lambda place: self._best_first(self.classes[place][0]))
        kept = choose_kept(pairs, order)
        leaks = self._spread(self._find_leaks(chosen, references, progress), pairs)
        values: dict[str, list[Any]] = {name: [None] * len(self.ids) for name in (*NEAREST, *LEAKS, *NEAR)}
        others = [-1] * len(self.ids)
        self._write_pairs(values, pairs, kept, others)
        self._find_others(others, neighbours)
        self._write_others(values, others)
        self._write_leaks(values, leaks)
        self.near_references.write(values, self.classes)
        return values

    def _nearest_stand_ins(self, chosen: Pictures) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Rows of the nearest other stand-ins of each, -1 where there is none, and their cosines."""
        import numpy as np

        count = len(self.stand_ins)
        if chosen.vectors is None or not count:
            return None, None
        k = max(self.config.neighbours_count, 1) + 1
        cosines, rows = nearest_rows(chosen.vectors, chosen.vectors, k, RetrieveConfig(device=self.device))
        # among ties a picture need not be its own first neighbour, nor be among them at all
        own = rows == np.arange(count)[:, None]
        return np.where(own, -1, rows), np.where(own, -np.inf, cosines)

    def _find_leaks(
        self, chosen: Pictures, references: Iterable[ReferenceSet], progress: Callable[[int], None] | None
    ) -> dict[int, _Leak]:
        """Class -> the reference picture it is: the best fit, then the first name."""
        found: dict[int, _Leak] = {}
        for reference in references:
            for names, block in reference.blocks():
                near = self.near_references.compare(chosen, block, reference.name, names, self.config, self.device)
                for pair in find_same(chosen, block, self.config, neighbours=near).iter_rows(named=True):
                    name = f"{reference.name}:{names[pair['right']]}"
                    leak = _Leak(-pair["detail"], name, pair["bits"], pair["cosine"])
                    found[pair["left"]] = min(found.get(pair["left"], leak), leak, key=_first)
                if progress:
                    progress(len(names))
        return found

    def _spread(self, leaks: dict[int, _Leak], pairs: pl.DataFrame) -> dict[int, _Leak]:
        """One step on: what is the same as a leaked picture is leaked too; its own likeness ends there."""
        from dataclasses import replace

        spread = dict(leaks)
        for one, two in pairs.select("left", "right").iter_rows():
            for leaked, other in ((one, two), (two, one)):
                if leaked in leaks and other not in leaks:
                    via = replace(leaks[leaked], via=self.ids[self.stand_ins[leaked]])
                    spread[other] = min(spread.get(other, via), via, key=_first)
        return spread

    def _write_pairs(
        self, values: dict[str, list[Any]], pairs: pl.DataFrame, kept: dict[int, int], others: list[int]
    ) -> None:
        """What each row is the same as, and how they fit; `others` gets the rows."""
        by_pair = {(row["left"], row["right"]): row for row in pairs.iter_rows(named=True)}
        partner: dict[int, int] = {}
        for one, two in sorted(by_pair, key=lambda both: (-by_pair[both]["detail"], both)):
            partner.setdefault(one, two)
            partner.setdefault(two, one)
        for place, group in enumerate(self.classes):
            keeper = self.classes[kept.get(place, place)][0]
            other = kept.get(place, partner.get(place))
            fit = by_pair[min(place, other), max(place, other)] if other is not None else EQUAL
            for row in group:
                if row != keeper:
                    values["duplicate_of"][row] = self.ids[keeper]
                if len(group) > 1 and place not in kept:  # hash and print are equal: nothing fits better
                    others[row] = group[0] if row != group[0] else group[1]
                    self._write_fit(values, row, EQUAL)
                elif other is not None:
                    others[row] = self.classes[other][0]
                    self._write_fit(values, row, fit)

    def _write_fit(self, values: dict[str, list[Any]], row: int, fit: Mapping[str, Any]) -> None:
        for name in ("correlation", "detail", "shared_frac", "is_mirrored"):
            values[name][row] = fit[name]

    def _find_others(self, others: list[int], neighbours: np.ndarray | None) -> None:
        """The nearest by embedding, where there is no other that is the same."""
        vectors = self.pictures.vectors
        if neighbours is None or vectors is None:
            return
        for place, found in enumerate(neighbours.tolist()):
            row, near = int(self.stand_ins[place]), [other for other in found if other >= 0]
            if near and others[row] < 0:
                others[row] = int(self.stand_ins[near[0]])
        out = [row for row, status in enumerate(self.status) if status != "ok"]
        if out:
            found = nearest_rows(vectors[out], vectors[self.stand_ins], 1, RetrieveConfig(device=self.device))[1]
            for row, place in zip(out, found[:, 0].tolist(), strict=True):
                others[row] = int(self.stand_ins[place])

    def _write_others(self, values: dict[str, list[Any]], others: list[int]) -> None:
        import numpy as np

        rows = np.flatnonzero(np.array(others, dtype=np.int64) >= 0)
        theirs = np.array(others, dtype=np.int64)[rows]
        vectors = self.pictures.vectors
        if vectors is not None and len(rows):
            cosines = exact_cosines(vectors[rows], vectors, theirs[:, None])[:, 0].clip(-1, 1).tolist()
            for row, cosine in zip(rows.tolist(), cosines, strict=True):
                values["nearest_cosine"][row] = cosine
        for row, other in zip(rows.tolist(), theirs.tolist(), strict=True):
            values["nearest_id"][row] = self.ids[other]
            values["phash_distance"][row] = self._distance(row, other)

    def _distance(self, row: int, other: int) -> int:
        pictures = self.pictures
        return min(
            phash_distance(pictures.phashes[row], pictures.phashes[other]),
            phash_distance(pictures.mirrored[row], pictures.phashes[other]),
            phash_distance(pictures.mirrored[other], pictures.phashes[row]),
        )

    def _write_leaks(self, values: dict[str, list[Any]], leaks: dict[int, _Leak]) -> None:
        for place, leak in leaks.items():
            for row in self.classes[place]:
                values["reference"][row], values["leak_via"][row] = leak.name, leak.via
                values["reference_cosine"][row], values["reference_distance"][row] = leak.cosine, leak.bits
                values["reference_detail"][row] = -leak.negative_detail


def _first(leak: _Leak) -> tuple[float, str, str]:
    return leak.negative_detail, leak.name, leak.via or ""

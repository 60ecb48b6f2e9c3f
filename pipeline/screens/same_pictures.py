"""Pairs of pictures that show the same photograph, and which picture of each group is kept.

Candidates come from perceptual hashes, straight and mirrored, and from the nearest rows of an encoder; each is then
decided by laying the two pictures over each other (`registration`), never by a hash or a cosine alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.images.perceptual_hash import HASH_BITS
from relaionet.pipeline.retrieval.cosines import exact_cosines
from relaionet.pipeline.retrieval.hashes import HashIndex, hash_rows
from relaionet.pipeline.retrieval.search import RetrieveConfig, nearest_rows
from relaionet.pipeline.screens.registration import PRINT_BYTES, match_prints

if TYPE_CHECKING:
    import numpy as np

BLOCK_ROWS = 4096
PAIRS = {
    "left": pl.Int64, "right": pl.Int64, "bits": pl.Int32, "cosine": pl.Float32, "correlation": pl.Float32,
    "detail": pl.Float32, "shared_frac": pl.Float32, "is_mirrored": pl.Boolean,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SamePictureConfig:
    """When two pictures are the same.

    Measured by `python -m tests.measure.screens` (docs/guides/screens.md) on 1,658 real photos: laid over each other,
    crops of 5 to 20 % agree in detail by 0.83 and more, the nearest pairs of different photos by 0.63 and less.

    Attributes:
        hash_bits: pairs whose perceptual hashes, straight or mirrored, differ in at most so many bits are compared, 0
            to 64.
        neighbours_count: nearest pictures by embedding that each picture is compared with; 0 leaves the encoder out.
        neighbour_cosine: least cosine of such a neighbour, -1 to 1.
        min_cosine: least cosine of two pictures that are the same, -1 to 1; a guard against pictures of little detail.
        min_correlation: least correlation of the two laid over each other, -1 to 1.
        min_detail: least correlation of their detail, -1 to 1.
    """

    hash_bits: int = 12
    neighbours_count: int = 4
    neighbour_cosine: float = 0.85
    min_cosine: float = 0.5
    min_correlation: float = 0.94
    min_detail: float = 0.72

    def __post_init__(self) -> None:
        if not 0 <= self.hash_bits <= HASH_BITS:
            raise BadInput(f"screen.same: hash_bits is {self.hash_bits}; expected 0 to {HASH_BITS}.")
        if self.neighbours_count < 0:
            raise BadInput(f"screen.same: neighbours_count is {self.neighbours_count}; expected 0 or more.")
        for name in ("neighbour_cosine", "min_cosine", "min_correlation", "min_detail"):
            if not -1 <= getattr(self, name) <= 1:
                raise BadInput(f"screen.same: {name} is {getattr(self, name)}; expected -1 to 1.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """What is compared of N pictures.

    Attributes:
        phashes: 16 hex digits each.
        prints: [N, 1024] uint8, see `registration.take_print`.
        vectors: [N, D] unit rows; None compares by hashes alone.
        mirrored: hashes of the mirrored pictures; empty where they are only looked for, as in a reference set.
    """

    phashes: Sequence[str]
    prints: np.ndarray
    vectors: np.ndarray | None
    mirrored: Sequence[str] = ()

    def check(self, what: str) -> None:
        """Raise `BadInput` where the parts differ in number."""
        counts = {len(self.phashes), len(self.prints)}
        counts |= {len(self.vectors)} if self.vectors is not None else set()
        counts |= {len(self.mirrored)} if self.mirrored else set()
        if len(counts) > 1 or self.prints.shape[1:] != (PRINT_BYTES,):
            raise BadInput(f"screen: hashes, prints and vectors of {what} differ in number: {sorted(counts)}.")

    def chosen(self, rows: np.ndarray) -> Pictures:
        """The pictures of these rows."""
        return Pictures(
            phashes=[self.phashes[row] for row in rows.tolist()],
            prints=self.prints[rows],
            vectors=None if self.vectors is None else self.vectors[rows],
            mirrored=[self.mirrored[row] for row in rows.tolist()] if self.mirrored else (),
        )


def find_same(
    left: Pictures, right: Pictures, config: SamePictureConfig, *, neighbours: np.ndarray | None = None,
    device: str = "auto",
) -> pl.DataFrame:  # fmt: skip
    """All pairs of a left and a right picture that are the same.

    Args:
        left: N pictures, with the hashes of their mirror images.
        right: M pictures; may be the same object, then each pair is named once, left < right.
        config: how near vectors and hashes of the same picture are.
        neighbours: [N, k] rows of `right` nearest to each left picture, -1 where there is none; searched where None.
        device: where FAISS searches: `auto`, `cpu` or `cuda`.

    Returns:
        One row per pair, ordered by left and right: left, right (rows), bits (of the hashes, the lesser of straight and
        mirrored), cosine (null without vectors), correlation, detail, shared_frac, is_mirrored.
    """
    import numpy as np

    if neighbours is None:
        neighbours = _search_neighbours(left, right, config, device)
    index, hashes = HashIndex(right.phashes), [hash_rows(kind) for kind in (left.phashes, left.mirrored) if kind]
    found = [pl.DataFrame(schema=PAIRS)]
    for start in range(0, len(left.phashes), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(left.phashes)))
        near = (index.near(kind[rows], config.hash_bits) for kind in hashes)
        by_hash = [np.stack([rows[one], two], axis=1) for one, two, _ in near]
        pairs = np.concatenate([*by_hash, _neighbour_pairs(neighbours, rows)])
        if left is right:
            pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        found.append(_decide(left, right, np.unique(pairs, axis=0), config))
    return pl.concat(found).unique(["left", "right"]).sort("left", "right")


def _search_neighbours(left: Pictures, right: Pictures, config: SamePictureConfig, device: str) -> np.ndarray:
    import numpy as np

    count = config.neighbours_count + (left is right)
    if left.vectors is None or right.vectors is None or not config.neighbours_count or not len(right.vectors):
        return np.full((len(left.phashes), 0), -1)
    cosines, rows = nearest_rows(left.vectors, right.vectors, count, RetrieveConfig(device=device))
    return above(rows, cosines, config.neighbour_cosine)


def above(rows: np.ndarray, cosines: np.ndarray | None, least: float) -> np.ndarray:
    """Neighbours, -1 in place of those that are not near enough.

    Args:
        rows: [N, k] rows of the nearest pictures.
        cosines: [N, k] to them.
        least: cosine, at least.
    """
    import numpy as np

    return np.where(np.asarray(cosines) >= least, rows, -1)


def _neighbour_pairs(neighbours: np.ndarray, rows: np.ndarray) -> np.ndarray:
    import numpy as np

    block = neighbours[rows]
    pairs = np.stack([np.repeat(rows, block.shape[1]), block.ravel()], axis=1)
    return np.asarray(pairs[pairs[:, 1] >= 0], dtype=np.int64).reshape(-1, 2)


def _decide(left: Pictures, right: Pictures, pairs: np.ndarray, config: SamePictureConfig) -> pl.DataFrame:

    one, two = pairs[:, 0], pairs[:, 1]
    cosine: np.ndarray | None = None
    if left.vectors is not None and right.vectors is not None:
        cosine = exact_cosines(left.vectors[one], right.vectors, two[:, None])[:, 0].clip(-1, 1)
        near = cosine >= config.min_cosine
        one, two, cosine = one[near], two[near], cosine[near]
    matches = match_prints(left.prints[one], right.prints[two])
    same = (matches.correlation >= config.min_correlation) & (matches.detail >= config.min_detail)
    one, two = one[same], two[same]
    return pl.DataFrame(
        {
            "left": one, "right": two, "bits": differing_bits(left, right, one, two),
            "cosine": pl.Series([None] * len(one), dtype=pl.Float32) if cosine is None else cosine[same],
            "correlation": matches.correlation[same], "detail": matches.detail[same],
            "shared_frac": matches.shared_frac[same], "is_mirrored": matches.is_mirrored[same],
        },
        schema=PAIRS,
    ) if len(one) else pl.DataFrame(schema=PAIRS)  # fmt: skip


def differing_bits(left: Pictures, right: Pictures, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Bits in which the hashes of pairs differ, the lesser of straight and mirrored, [P] int32."""
    import numpy as np

    def distances(hashes: Sequence[str], others: Sequence[str], rows: np.ndarray, other_rows: np.ndarray) -> np.ndarray:
        return np.array(
            [(int(hashes[a], 16) ^ int(others[b], 16)).bit_count() for a, b in zip(rows, other_rows, strict=True)],
            dtype=np.int32,
        )

    bits = distances(left.phashes, right.phashes, one, two)
    if left.mirrored:
        bits = np.minimum(bits, distances(left.mirrored, right.phashes, one, two))
    if right.mirrored:
        bits = np.minimum(bits, distances(right.mirrored, left.phashes, two, one))
    return bits


def choose_kept(pairs: pl.DataFrame, order: Sequence[int]) -> dict[int, int]:
    """Which picture is kept of pictures that are the same.

    The best picture not yet spoken for is kept, and speaks for those that are the same as itself. So every duplicate is
    directly the same as the one kept for it: a chain of pictures that each resemble the next does not draw in the ends.

    Args:
        pairs: left, right, as `find_same` gives them for one set.
        order: the rows, best first; ties decided by the caller.

    Returns:
        Row of a duplicate -> row kept instead.
    """
    near: dict[int, list[int]] = {}
    for one, two in pairs.select("left", "right").iter_rows():
        near.setdefault(one, []).append(two)
        near.setdefault(two, []).append(one)
    place = {row: number for number, row in enumerate(order)}
    kept: dict[int, int] = {}
    for row in sorted(near, key=place.__getitem__):
        if row not in kept:
            for other in near[row]:
                if place[other] > place[row]:
                    kept.setdefault(other, row)
    return kept

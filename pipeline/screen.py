"""What must not get into the set: the same picture twice, pictures of a reference set, too small or plain ones.

A screen deletes nothing: every row keeps its evidence, and a status says what it was found to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.tables import SCREENED, shape_table
from relaionet.pipeline.embed import stored_path
from relaionet.pipeline.image_bytes import BrokenImage, open_image
from relaionet.pipeline.perceptual_hash import HASH_BITS, phash_distance
from relaionet.pipeline.retrieve import RetrieveConfig, exact_cosines, near_hashes, nearest_images

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
MEASURED_SIDE_PX = 64


@dataclass(frozen=True, kw_only=True)
class ScreenConfig:
    """Where the screens draw their lines.

    Two pictures count as the same when their rows are near and their perceptual hashes differ in few bits. Measured on
    1,018 different photos and 40 of them resized and encoded again: the same photo differs in 0 to 2 bits, different
    photos in 12 or more; cosines of the same photo go down to 0.75 with a weak encoder (ConSE on MobileNet) and
    half of all pairs of one class lie above that, so the hash separates and the cosine guards it in large sets.

    Attributes:
        duplicate_cosine: least cosine of two candidates that are the same picture, -1 to 1.
        duplicate_phash_bits: most bits in which their hashes differ, 0 to 64.
        leak_cosine: least cosine of a candidate and the reference picture it is, -1 to 1.
        leak_phash_bits: most bits in which their hashes differ, 0 to 64.
        min_side_px: least shorter side, measured.
        min_contrast: least standard deviation of the grey values (0 to 127.5) of the picture reduced to 64 px.
        max_pixels: largest picture decoded, width × height.
        threads: threads that measure contrast.
        device: where FAISS searches neighbours: `auto`, `cpu` or `cuda`.
    """

    duplicate_cosine: float = 0.7
    duplicate_phash_bits: int = 6
    leak_cosine: float = 0.7
    leak_phash_bits: int = 6
    min_side_px: int = 64
    min_contrast: float = 4.0
    max_pixels: int = 64_000_000
    threads: int = 4
    device: str = "auto"


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """Pictures that must not be in the set.

    Attributes:
        ids: M names, shown as evidence.
        vectors: [M, D] unit rows of the same encoder.
        phashes: M hashes of 16 hex digits.
    """

    ids: Sequence[str]
    vectors: np.ndarray
    phashes: Sequence[str]


def screen_images(
    rows: pl.DataFrame, vectors: np.ndarray, images: Path, config: ScreenConfig, reference: Reference | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Screen all live rows of a set at once.

    A row gets the first that holds: too_small, plain, leak, duplicate. Duplicates form groups of connected pairs; the
    largest picture of a group is kept, of equal ones that with the smallest candidate_id. One leak in a group makes
    all of it leaks. The result of a row does not depend on the order of the rows.

    Args:
        rows: candidate_id, path (relative to `images`), phash, width_px, height_px (measured).
        vectors: [N, D] unit rows of the same N candidates.
        images: folder of the stored bytes.
        config: see there.
        reference: pictures that must not be in the set; none where null.
        progress: called with the number of rows just done.

    Returns:
        SCREENED, the same rows in the same order, the evidence filled in for every row.

    Raises:
        BadInput: the numbers of rows do not fit or a threshold is out of range.
        Corrupt: a stored picture cannot be decoded any more.
    """
    _check_input(rows, vectors, config, reference)
    contrast = _measure_contrast(rows["path"].to_list(), images, config, progress)
    table = rows.select(
        "candidate_id", "phash",
        pixels=pl.col("width_px").cast(pl.Int64) * pl.col("height_px"),
        side_px=pl.min_horizontal("width_px", "height_px"),
        contrast=pl.Series(contrast, dtype=pl.Float32),
    )  # fmt: skip
    is_small, is_plain = pl.col("side_px") < config.min_side_px, pl.col("contrast") < config.min_contrast
    status = pl.when(is_small).then(pl.lit("too_small")).when(is_plain).then(pl.lit("plain")).otherwise(pl.lit("ok"))
    table = table.with_columns(status=status)
    pairs = _find_pairs(table, vectors, config)
    table = table.with_columns(**_nearest_columns(table, vectors, pairs, config))
    judged = _judge_groups(table, _find_groups(pairs), _find_leaks(table, vectors, config, reference))
    reason = pl.col("status").replace_strict(_reasons(config), default=None, return_dtype=pl.String)
    return shape_table(judged.with_columns(reason=reason), SCREENED)


def _check_input(rows: pl.DataFrame, vectors: np.ndarray, config: ScreenConfig, reference: Reference | None) -> None:
    if rows.height != len(vectors):
        raise BadInput(
            f"screen: {rows.height} rows for {len(vectors)} pictures' vectors; the numbers must be the same."
        )
    if reference is not None:
        counts = {len(reference.ids), len(reference.vectors), len(reference.phashes)}
        if len(counts) > 1:
            raise BadInput(f"screen: the reference's ids, vectors and hashes differ in number: {sorted(counts)}.")
        if reference.ids and rows.height and reference.vectors.shape[1] != vectors.shape[1]:
            raise BadInput("screen: the reference was embedded with another encoder; its rows have another width.")
    for name in ("duplicate_phash_bits", "leak_phash_bits"):
        if not 0 <= getattr(config, name) <= HASH_BITS:
            raise BadInput(f"screen: {name} is {getattr(config, name)}; expected 0 to {HASH_BITS}.")


def _measure_contrast(
    paths: Sequence[str], images: Path, config: ScreenConfig, progress: Callable[[int], None] | None
) -> list[float]:
    def measure(path: str) -> float:
        from PIL import ImageStat

        try:
            image = open_image(stored_path(images, path).read_bytes(), config.max_pixels).convert("L")
        except (FileNotFoundError, BrokenImage) as error:
            raise Corrupt(f"{images / path} was embedded and cannot be read now: {error}; fetch it again.") from error
        except OSError as error:
            raise BadInput(f"{images / path} cannot be read: {error.strerror}; check its permissions.") from error
        image.thumbnail((MEASURED_SIDE_PX, MEASURED_SIDE_PX))
        return ImageStat.Stat(image).stddev[0]

    values = []
    with ThreadPoolExecutor(max_workers=config.threads) as pool:
        for value in pool.map(measure, paths):
            values.append(value)
            if progress:
                progress(1)
    return values


@dataclass(frozen=True)
class _Pair:
    """A row and another one (of the set or of the reference) that is the same picture; the best sorts first."""

    bits: int
    negative_cosine: float
    other_id: str
    other: int


def _same_pictures(
    left: tuple[Sequence[str], np.ndarray], right: tuple[Sequence[str], np.ndarray], names: Sequence[str],
    max_bits: int, min_cosine: float,
) -> dict[int, list[_Pair]]:  # fmt: skip
    """Rows of the left (hashes, vectors) -> rows of the right that are the same picture, `names` naming the right."""
    rows, others, bits = near_hashes(left[0], right[0], max_bits)
    cosines = exact_cosines(left[1][rows], right[1], others[:, None])[:, 0]
    pairs: dict[int, list[_Pair]] = {}
    for row, other, bit, cosine in zip(rows.tolist(), others.tolist(), bits.tolist(), cosines.tolist(), strict=True):
        if cosine >= min_cosine:
            pairs.setdefault(row, []).append(_Pair(bit, -min(cosine, 1.0), names[other], other))
    return pairs


def _find_pairs(table: pl.DataFrame, vectors: np.ndarray, config: ScreenConfig) -> dict[int, list[_Pair]]:
    """Rows that are the same picture as others, among rows not yet ruled out."""
    pictures = (table["phash"].to_list(), vectors)
    pairs = _same_pictures(
        pictures, pictures, table["candidate_id"].to_list(), config.duplicate_phash_bits, config.duplicate_cosine
    )
    is_judged = (table["status"] == "ok").to_list()
    others = {
        row: [pair for pair in found if pair.other != row and is_judged[pair.other]]
        for row, found in pairs.items()
        if is_judged[row]
    }
    return {row: found for row, found in others.items() if found}


def _find_leaks(
    table: pl.DataFrame, vectors: np.ndarray, config: ScreenConfig, reference: Reference | None
) -> dict[int, _Pair]:
    """Row -> the reference picture it is: the one with the nearest hash, then the nearest row, then the first id."""
    if reference is None or not len(reference.ids):
        return {}
    pictures = (table["phash"].to_list(), vectors)
    known = (reference.phashes, reference.vectors)
    pairs = _same_pictures(pictures, known, reference.ids, config.leak_phash_bits, config.leak_cosine)
    is_judged = (table["status"] == "ok").to_list()
    return {row: min(found, key=_order) for row, found in pairs.items() if is_judged[row]}


def _order(pair: _Pair) -> tuple[int, float, str]:
    return pair.bits, pair.negative_cosine, pair.other_id


def _nearest_columns(
    table: pl.DataFrame, vectors: np.ndarray, pairs: dict[int, list[_Pair]], config: ScreenConfig
) -> dict[str, pl.Series]:
    """nearest_id, nearest_cosine and phash_distance to that candidate."""
    ids, hashes = table["candidate_id"].to_list(), table["phash"].to_list()
    cosines, nearest = nearest_images(vectors, ids, RetrieveConfig(device=config.device))
    found: list[tuple[str | None, float | None, int | None]] = []
    for row, (cosine, other) in enumerate(zip(cosines.tolist(), nearest.tolist(), strict=True)):
        if row in pairs:
            best = min(pairs[row], key=_order)
            found.append((best.other_id, -best.negative_cosine, best.bits))
        elif other >= 0:
            found.append((ids[other], min(cosine, 1.0), phash_distance(hashes[row], hashes[other])))
        else:
            found.append((None, None, None))
    names = ("nearest_id", "nearest_cosine", "phash_distance")
    types = (pl.String, pl.Float32, pl.Int32)
    columns = zip(*found, strict=True) if found else ((), (), ())
    return {name: pl.Series(column, dtype=kind) for name, column, kind in zip(names, columns, types, strict=True)}


def _find_groups(pairs: dict[int, list[_Pair]]) -> list[list[int]]:
    """Rows connected by pairs."""
    groups, seen = [], set()
    for start in pairs:
        if start in seen:
            continue
        group, waiting = [], [start]
        seen.add(start)
        while waiting:
            row = waiting.pop()
            group.append(row)
            new = {pair.other for pair in pairs[row]} - seen
            seen |= new
            waiting += new
        groups.append(group)
    return groups


def _judge_groups(table: pl.DataFrame, groups: list[list[int]], leaks: dict[int, _Pair]) -> pl.DataFrame:
    """Set leak and duplicate, with the reference and duplicate_of as evidence."""
    ids, pixels, status = table["candidate_id"].to_list(), table["pixels"].to_list(), table["status"].to_list()
    kept: list[str | None] = [None] * len(ids)
    found = dict(leaks)
    for group in groups:
        leaked = min((leaks[row] for row in group if row in leaks), key=_order, default=None)
        keep = min(group, key=lambda row: (-pixels[row], ids[row]))
        for row in group:
            if leaked is not None:
                found.setdefault(row, leaked)
            if row != keep:
                kept[row], status[row] = ids[keep], "duplicate"
    evidence = [found.get(row) for row in range(len(ids))]
    status = ["leak" if pair else old for pair, old in zip(evidence, status, strict=True)]
    return table.with_columns(
        status=pl.Series(status, dtype=pl.String),
        duplicate_of=pl.Series(kept, dtype=pl.String),
        reference=pl.Series([pair and pair.other_id for pair in evidence], dtype=pl.String),
        reference_cosine=pl.Series([pair and -pair.negative_cosine for pair in evidence], dtype=pl.Float32),
        reference_distance=pl.Series([pair and pair.bits for pair in evidence], dtype=pl.Int32),
    )


def _reasons(config: ScreenConfig) -> dict[str, str]:
    # few different reasons, so that they can be counted; the numbers stand in the evidence columns
    return {
        "duplicate": "the same picture as a candidate that is kept",
        "leak": "the same picture as one of the reference set",
        "too_small": f"the shorter side is under {config.min_side_px} px",
        "plain": f"the grey values differ by less than {config.min_contrast:g}",
    }

"""What is served at addresses, held against the pictures of a release by the rebuild's own verdicts.

Every picture that was fetched is held against every row, not only the row it was fetched for: it costs nothing, and a
search that ranked it low for its own row does not lose it.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from relaionet.manifests.tables.lookups import COMPARED_ADDRESSES
from relaionet.manifests.tables.schema import ALIVE, shape_table
from relaionet.pipeline.images.perceptual_hash import phash_distance
from relaionet.pipeline.images.thumbnail_hash import thumbprint_contrast, thumbprint_distances
from relaionet.pipeline.retrieval.hashes import near_hashes
from relaionet.pipeline.splits.verdicts import VerdictConfig, judge_rows

PAIR = ["candidate_id", "url_id"]
FOUND = ("exact", "same_picture")
MEASURED = ("phash_distance", "luma_distance", "chroma_distance", "contrast")


class Served(NamedTuple):
    """What addresses serve.

    Attributes:
        fetched: url_id, url, image_sha256, fetched_at, fetch_status and fetch_reason of every address.
        pictures: url_id, fingerprint_version, phash and thumbprint of those that serve a picture; one row for each
            version that rows of the release have.
    """

    fetched: pl.DataFrame
    pictures: pl.DataFrame


def compare_addresses(rows: pl.DataFrame, near: pl.DataFrame, served: Served, config: VerdictConfig) -> pl.DataFrame:
    """Compare rows of a release with what addresses serve.

    Args:
        rows: MANIFEST rows.
        near: candidate_id, url_id and cosine of the addresses near to them, each pair once.
        served: what was fetched.
        config: thresholds of the verdicts.

    Returns:
        COMPARED_ADDRESSES: every pair of `near`, and every further pair whose address serves the row's picture; sorted.
    """
    expected = rows.select(
        "candidate_id", pl.col("image_sha256").alias("expected_sha256"), pl.col("phash").alias("expected_phash"),
        pl.col("thumbprint").alias("expected_thumbprint"), version=pl.col("fingerprint_version").fill_null(1),
    )  # fmt: skip
    asked = near.select(*PAIR, "cosine").join(expected, on="candidate_id", how="semi").with_columns(asked=True)
    same = expected.join(served.fetched, left_on="expected_sha256", right_on="image_sha256").select(PAIR)
    pairs = pl.concat([asked.select(PAIR), _pairs_by_hash(expected, served.pictures, config), same]).unique()
    pairs = pairs.join(asked, on=PAIR, how="left").join(expected, on="candidate_id").join(served.fetched, on="url_id")
    prints = served.pictures.rename({"fingerprint_version": "version"})
    pairs = pairs.join(prints, on=["url_id", "version"], how="left")
    judged = judge_rows(_measure(pairs), config)
    kept = judged.filter(pl.col("status").is_in(FOUND) | pl.col("asked"))
    return shape_table(kept, COMPARED_ADDRESSES).sort(COMPARED_ADDRESSES.key)


def _pairs_by_hash(expected: pl.DataFrame, pictures: pl.DataFrame, config: VerdictConfig) -> pl.DataFrame:
    """candidate_id and url_id of all pairs whose perceptual hashes are near, of the same version."""
    parts = [pl.DataFrame(schema={"candidate_id": pl.String, "url_id": pl.String})]
    for (version,), own in _with_something_to_see(expected, config).group_by("version"):
        theirs = pictures.filter(pl.col("fingerprint_version") == version)
        if theirs.is_empty():
            continue
        limit = max(config.max_phash_distance, config.max_phash_distance_alone)
        found = near_hashes(own["expected_phash"].to_list(), theirs["phash"].to_list(), limit)
        left, right = own["candidate_id"].gather(found.left), theirs["url_id"].gather(found.right)
        parts.append(pl.DataFrame([left.alias("candidate_id"), right.alias("url_id")]))
    return pl.concat(parts)


def _with_something_to_see(expected: pl.DataFrame, config: VerdictConfig) -> pl.DataFrame:
    """Rows whose perceptual hash means anything: of a flat picture it is near to that of every other."""
    contrasts = [None if one is None else thumbprint_contrast(one) for one in expected["expected_thumbprint"]]
    contrast = pl.Series(contrasts, dtype=pl.Float64).fill_null(127.5)
    return expected.filter(contrast >= config.min_contrast)


def _measure(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs with what `judge_rows` decides from; null where no picture came."""
    same = (pl.col("image_sha256") == pl.col("expected_sha256")).fill_null(value=False)
    prints = ("expected_phash", "phash", "expected_thumbprint", "thumbprint")
    found = [_measure_pair(*row) for row in pairs.select(same.alias("same"), *prints).iter_rows()]
    schema = {name: COMPARED_ADDRESSES.schema[name] for name in MEASURED}
    return pl.concat([pairs, pl.DataFrame(found, schema=schema, orient="row")], how="horizontal")


def _measure_pair(
    same: bool, expected: str, phash: str | None, expected_thumbprint: str | None, thumbprint: str | None
) -> tuple[float | None, ...]:
    """What stands in `MEASURED`."""
    if same:
        return 0, 0.0, 0.0, None
    if phash is None or thumbprint is None:
        return None, None, None, None
    luma, chroma = None, None
    if expected_thumbprint is not None:
        luma, chroma = thumbprint_distances(expected_thumbprint, thumbprint)
    return phash_distance(expected, phash), luma, chroma, thumbprint_contrast(thumbprint)


def fetched_addresses(downloads: pl.DataFrame) -> pl.DataFrame:
    """What `Served.fetched` holds, from DOWNLOADS."""
    return downloads.select(
        "url", "image_sha256", "fetched_at", url_id="candidate_id", fetch_status="status", fetch_reason="reason"
    )


def served_pictures(downloads: pl.DataFrame, pictures: pl.DataFrame) -> pl.DataFrame:
    """What `Served.pictures` holds, from DOWNLOADS and the PICTURES of its files."""
    there = downloads.filter(pl.col("status") == ALIVE).select("path", url_id="candidate_id")
    known = pictures.filter(pl.col("status") == ALIVE)
    return there.join(known, on="path").select("url_id", "fingerprint_version", "phash", "thumbprint")

"""What was found of each row, and the release that says so: addresses, best first, with the evidence they rest on."""

from __future__ import annotations

from typing import Any

import polars as pl

from relaionet.manifests.labels import labels_table
from relaionet.manifests.release.beside import tell_evidence
from relaionet.manifests.release.manifest_check import MAX_OTHER_URLS
from relaionet.manifests.tables import MANIFEST
from relaionet.manifests.tables.lookups import LOOKUP
from relaionet.manifests.tables.schema import ALIVE, shape_table
from relaionet.pipeline.lookup.compare import FOUND

STEP = "lookup"
# told of every row in the release; where it was found stands in the manifest's own columns
EVIDENCE_FACTS = (
    "verdict", "phash_distance", "luma_distance", "chroma_distance", "cosine", "found_in", "found_row",
    "served_sha256", "addresses_count", "outcome", "why",
)  # fmt: skip


def settle_lookup(
    rows: pl.DataFrame, compared: pl.DataFrame, told: pl.DataFrame, missing: pl.DataFrame, *, by_embeddings: bool
) -> pl.DataFrame:
    """Decide what was found of each row.

    Args:
        rows: MANIFEST rows of the release.
        compared: COMPARED_ADDRESSES of all of them.
        told: url_id, found_in, found_row, caption: where each address is from, the first place that counts first.
        missing: candidate_id and reason of rows whose picture could not be looked at.
        by_embeddings: whether embeddings were searched, without which a row needs no picture at hand.

    Returns:
        LOOKUP, one row per row, in their order. Of several addresses the release's own bytes come first, then the
        nearest picture, then by the address.
    """
    origin = told.unique("url_id", keep="first", maintain_order=True)
    good = compared.filter(pl.col("status").is_in(FOUND)).join(origin, on="url_id", how="left")
    nearest = pl.col("luma_distance").fill_null(0.0) + pl.col("chroma_distance").fill_null(0.0)
    good = good.with_columns(is_other=pl.col("status") != "exact", distance=nearest + pl.col("phash_distance"))
    good = good.sort("candidate_id", "is_other", "distance", "url")
    best = good.group_by("candidate_id", maintain_order=True).agg(
        pl.col("status").first().alias("verdict"),
        pl.col("url", "phash_distance", "luma_distance", "chroma_distance").first(),
        pl.col("cosine", "found_in", "found_row", "caption").first(),
        served_sha256=pl.col("image_sha256").first(), served_at=pl.col("fetched_at").first(),
        other_urls=pl.col("url").slice(1, MAX_OTHER_URLS),
    )  # fmt: skip
    seen = compared.group_by("candidate_id").agg(
        addresses_count=pl.len().cast(pl.Int32), changed_count=(pl.col("status") == "changed").sum(),
        gone_count=(pl.col("status") == "gone").sum(),
    )  # fmt: skip
    table = rows.select("candidate_id", "wnid", own_url="url").join(best, on="candidate_id", how="left")
    table = table.join(seen, on="candidate_id", how="left", maintain_order="left")
    table = table.join(
        missing.select("candidate_id", missing="reason"), on="candidate_id", how="left", maintain_order="left"
    )
    return shape_table(_say(table, by_embeddings=by_embeddings), LOOKUP)


def _say(table: pl.DataFrame, *, by_embeddings: bool) -> pl.DataFrame:
    changed, gone = pl.col("changed_count").fill_null(0), pl.col("gone_count").fill_null(0)
    known, found = pl.col("own_url").is_not_null(), pl.col("url").is_not_null()
    nowhere = "nothing near it in the embeddings" if by_embeddings else "no picture that was fetched is it"
    outcomes: tuple[tuple[str, pl.Expr, pl.Expr], ...] = (
        ("known", known, pl.lit(None, pl.String)),
        (ALIVE, found, pl.lit(None, pl.String)),
        ("no_picture", pl.col("missing").is_not_null(), pl.col("missing")),
        ("changed", changed > 0, pl.format("{} near it are other pictures, {} are gone", changed, gone)),
        ("gone", gone > 0, pl.format("{} near it could not be fetched", gone)),
        ("not_near", pl.lit(value=True), pl.lit(nowhere)),
    )
    which = pl.coalesce(pl.when(when).then(pl.lit(number)) for number, (_, when, _) in enumerate(outcomes))
    table = table.with_columns(which=which)
    status = pl.col("which").replace_strict(dict(enumerate(name for name, _, _ in outcomes)), return_dtype=pl.String)
    reason = pl.coalesce(pl.when(pl.col("which") == number).then(why) for number, (_, _, why) in enumerate(outcomes))
    none = pl.col("other_urls").list.len() == 0
    return table.with_columns(
        status=status, reason=reason, url=pl.coalesce("own_url", "url"),
        addresses_count=pl.col("addresses_count").fill_null(0),
        other_urls=pl.when(known | none).then(None).otherwise("other_urls"),
    )  # fmt: skip


def add_addresses(manifest: pl.DataFrame, lookup: pl.DataFrame) -> pl.DataFrame:
    """The manifest with the addresses that were found; what it said already stays.

    Args:
        manifest: MANIFEST.
        lookup: LOOKUP of it.

    Returns:
        MANIFEST.
    """
    found = lookup.filter(pl.col("status") == ALIVE).select(
        "candidate_id", found_url="url", found_others="other_urls", found_caption="caption", found_source="found_in",
        found_row="found_row", served_at="served_at",
    )  # fmt: skip
    rows = manifest.join(found, on="candidate_id", how="left", maintain_order="left")
    here = pl.col("found_url").is_not_null()
    filled = {
        "url": "found_url", "other_urls": "found_others", "caption": "found_caption", "source": "found_source",
        "source_row": "found_row", "fetched_at": "served_at",
    }  # fmt: skip
    rows = rows.with_columns(
        pl.when(here).then(pl.coalesce(ours, theirs)).otherwise(ours).alias(ours) for ours, theirs in filled.items()
    )
    return shape_table(rows, MANIFEST)


def lookup_evidence(lookup: pl.DataFrame) -> pl.DataFrame:
    """EVIDENCE of a lookup: how each address was found, or why none was; of rows that had one nothing."""
    looked = lookup.filter(pl.col("status") != "known").with_columns(outcome="status", why="reason")
    return tell_evidence(STEP, looked, EVIDENCE_FACTS)


def count_found(lookup: pl.DataFrame) -> pl.DataFrame:
    """What was found of each class.

    Args:
        lookup: LOOKUP.

    Returns:
        wnid, class_index, class_name, sought, found, share (0 to 1; null where nothing was sought), by class_index.
    """
    sought = lookup.filter(pl.col("status") != "known").group_by("wnid").agg(
        sought=pl.len().cast(pl.Int64), found=(pl.col("status") == ALIVE).sum().cast(pl.Int64)
    )  # fmt: skip
    names = labels_table().select("wnid", "class_index", class_name="name")
    counted = sought.join(names, on="wnid").with_columns(share=pl.col("found") / pl.col("sought"))
    return counted.select("wnid", "class_index", "class_name", "sought", "found", "share").sort("class_index")


def tell_found(lookup: pl.DataFrame) -> dict[str, Any]:
    """What a release says of the lookup in its notes: rows by outcome, and the share found of those sought."""
    counts = dict(lookup.group_by("status").len().sort("status").iter_rows())
    sought = lookup.height - counts.get("known", 0)
    return {"outcomes": counts, "sought": sought, "found": counts.get(ALIVE, 0)}

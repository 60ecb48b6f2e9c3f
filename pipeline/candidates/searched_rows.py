"""What searches of an image index found, by URL, to be put beside the rows of the source."""

from __future__ import annotations

import polars as pl

from relaionet.manifests.tables import NEIGHBOURS, alive

FOUND_BY = ("text_search", "image_search")


def gather_neighbours(neighbours: pl.DataFrame) -> pl.DataFrame:
    """One row per URL that a search found.

    Args:
        neighbours: NEIGHBOURS; rows that are not `ok` count for nothing.

    Returns:
        Sorted by candidate_id: candidate_id, url; found_by (kinds of search, sorted); sought_wnids (classes whose
        search found it, the one it is nearest to first); and of its nearest result caption, width_px, height_px,
        punsafe, pwatermark, source, source_row.
    """
    about = ["url", "caption", "width_px", "height_px", "punsafe", "pwatermark", "source", "source_row"]
    nearest = ["cosine", "rank", "wnid", "query", "source", "source_row"]
    rows = alive(neighbours.select(NEIGHBOURS.columns.keys())).drop_nulls(["candidate_id", "url", "wnid"])
    rows = rows.sort(nearest, descending=[True] + [False] * (len(nearest) - 1), nulls_last=True)
    return (
        rows.group_by("candidate_id", maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in about),
            pl.col("query").unique().sort().alias("found_by"),
            pl.col("wnid").unique(maintain_order=True).alias("sought_wnids"),
        )
        .sort("candidate_id")
    )


def merge_neighbours(rows: pl.DataFrame, found: pl.DataFrame | None) -> pl.DataFrame:
    """Say of each row which searches found it too.

    Args:
        rows: any frame with url, and `lemma` where words were matched.
        found: what `gather_neighbours` gave; None where nothing was searched.

    Returns:
        The same rows, in order, with found_by (`lemma`, then the kinds of search) and sought_wnids.
    """
    none = pl.lit([], dtype=pl.List(pl.String))
    by_lemma = pl.when(pl.col("lemma").is_not_null()).then(pl.lit(["lemma"])).otherwise(none)
    if found is None or not found.height:
        return rows.with_columns(by_lemma.alias("found_by"), none.alias("sought_wnids"))
    searches = found.select("url", pl.col("found_by").alias("_searches"), "sought_wnids")
    joined = rows.join(searches, on="url", how="left", maintain_order="left", nulls_equal=False)
    return joined.with_columns(
        pl.concat_list(by_lemma, pl.col("_searches").fill_null([])).alias("found_by"),
        pl.col("sought_wnids").fill_null([]),
    ).select(*rows.columns, "found_by", "sought_wnids")

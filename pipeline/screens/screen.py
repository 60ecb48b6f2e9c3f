"""What must not get into the set: copies, leaks of reference sets, unsafe, small, plain or drawn pictures, and words.

A screen deletes nothing: every row keeps the evidence of all screens, and a status says what it was found to be first.

measure_pictures   `pixel_measures`: what one picture shows, per shard
compare_images     all screens but text, over all rows at once
finish_screens     the text read in what is left (`text_reading`), and the final status
screen_images      all of it in one call, for sets that fit in one process
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import ALIVE, TEXTS_READ, Table, alive, shape_table
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.duplicates import ReferenceSet, compare_pictures
from relaionet.pipeline.screens.encoder_scores import SCORES, Scorers
from relaionet.pipeline.screens.pixel_measures import measure_pictures
from relaionet.pipeline.screens.plan import SetScreen, compared_table, screened_table, screens_of
from relaionet.pipeline.screens.screens import COMPARING, READING
from relaionet.pipeline.screens.text_naming import name_texts
from relaionet.pipeline.screens.text_reading import TextReader, read_texts

if TYPE_CHECKING:
    import numpy as np

VERSION = "2"
OPTIONAL = {
    "punsafe": pl.Float32, "pwatermark": pl.Float32, "source": pl.String, "same_bytes_count": pl.Int32,
    "same_bytes_wnids": pl.Int32, "wnid": pl.String, "caption_wnid": pl.String,
}  # fmt: skip


def screen_images(
    rows: pl.DataFrame, vectors: np.ndarray | None, images: Path, config: ScreenConfig,
    references: Sequence[ReferenceSet] = (), *, scorers: Scorers | None = None, reader: TextReader | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Screen all live rows of a set at once.

    Args:
        rows: candidate_id, path (relative to `images`), phash, width_px, height_px (measured); where they are known
            also punsafe, pwatermark, source, same_bytes_count, same_bytes_wnids, wnid (proposed), caption_wnid; and
            image_sha256 where a reader is given.
        vectors: [N, D] unit rows of the same N candidates; None compares by hashes alone.
        images: folder of the stored bytes.
        config: the settings of [screen].
        references: pictures that must not be in the set.
        scorers: from `load_scorers`.
        reader: reads text in what the other screens leave; None leaves that screen out.
        progress: called with the number of rows just measured.

    Returns:
        SCREENED as `plan.screened_table` has it, the same rows in the same order. A row does not depend on the others'
        order.

    Raises:
        BadInput: the numbers of rows do not fit.
        Corrupt: a stored picture cannot be decoded any more.
    """
    measured = measure_pictures(rows, images, config, progress=progress)
    compared = compare_images(rows, measured, vectors, config, references, scorers=scorers)
    texts = TEXTS_READ.empty()
    if reader is not None:
        left = rows.join(alive(compared).select("candidate_id"), on="candidate_id", how="semi", maintain_order="left")
        texts = read_texts(left, reader, images, max_pixels=config.max_pixels, threads=config.threads)
    return finish_screens(compared, texts, rows, config)


def compare_images(
    rows: pl.DataFrame, measured: pl.DataFrame, vectors: np.ndarray | None, config: ScreenConfig,
    references: Sequence[ReferenceSet] = (), *, scorers: Scorers | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """All screens but that of text and what comes after it; a row gets the first that holds (`Screen.place`).

    Args:
        rows: as for `screen_images`.
        measured: MEASURED of the same rows, as `plan.measured_table` has it.
        vectors: as for `screen_images`.
        config: the settings of [screen].
        references: pictures that must not be in the set.
        scorers: from `load_scorers`.
        progress: called with the number of reference pictures just compared.

    Returns:
        COMPARED as `plan.compared_table` has it, the same rows in the same order.

    Raises:
        BadInput: the numbers of rows do not fit.
    """
    if rows.height != measured.height or (vectors is not None and rows.height != len(vectors)):
        counts = f"{rows.height} rows, {measured.height} measured"
        raise BadInput(f"screen: {counts}, {0 if vectors is None else len(vectors)} vectors; the numbers must agree.")
    screens = screens_of(config)
    table = _with_evidence(rows, measured)
    if scorers is not None and vectors is not None:
        table = table.with_columns(**scorers.score(vectors))
    for found in screens:  # one after the other, so that one may build on another's
        table = table.with_columns(**found.screen.derives(found.settings))
    table = _judge(table.with_columns(status=pl.lit(ALIVE)), [one for one in screens if one.screen.place < COMPARING])
    table = compare_pictures(table, vectors, references, config.same, device=config.device, progress=progress)
    table = _judge(table, [one for one in screens if COMPARING <= one.screen.place < READING])
    return _give_reasons(table, compared_table(config), screens)


def _with_evidence(rows: pl.DataFrame, measured: pl.DataFrame) -> pl.DataFrame:
    if taken := sorted(set(rows.columns) & set(measured.columns) - {"candidate_id"}):
        raise BadInput(f"screen: a screen measures a column {taken[0]}, which the rows have already; rename it.")
    table = rows.join(measured, on="candidate_id", maintain_order="left")
    nulls = {**OPTIONAL, **SCORES}
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in nulls.items() if name not in table.columns]
    return table.with_columns(*missing, pixels=pl.col("width_px").cast(pl.Int64) * pl.col("height_px"))


def _judge(table: pl.DataFrame, screens: Sequence[SetScreen]) -> pl.DataFrame:
    """Give rows that are still `ok` the status of the first of these screens that finds them."""
    found = pl.lit(ALIVE)
    for one in reversed(screens):
        when = one.screen.finds(one.settings).fill_null(value=False)
        found = pl.when(when).then(pl.lit(one.screen.status)).otherwise(found)
    return table.with_columns(status=pl.when(pl.col("status") == ALIVE).then(found).otherwise("status"))


def finish_screens(
    compared: pl.DataFrame, texts: pl.DataFrame, rows: pl.DataFrame, config: ScreenConfig
) -> pl.DataFrame:
    """The final status of every row: that of the screens before, or of those that judge the text.

    Args:
        compared: COMPARED.
        texts: TEXTS_READ of the rows that were read; none where that screen was left out.
        rows: candidate_id and, where they are known, wnid (proposed) and caption_wnid.
        config: the settings of [screen].

    Returns:
        SCREENED as `plan.screened_table` has it, the same rows in the same order.
    """
    wnids = [pl.col(name) for name in ("wnid", "caption_wnid") if name in rows.columns]
    of_rows = rows.select(
        "candidate_id", (pl.concat_list(wnids) if wnids else pl.lit(None, dtype=pl.List(pl.String))).alias("wnids")
    )
    of_rows = compared.select("candidate_id").join(of_rows, on="candidate_id", maintain_order="left")
    named = name_texts(of_rows.with_columns(pl.col("wnids").list.drop_nulls()), texts, config.text)
    table = compared.join(named, on="candidate_id", maintain_order="left")
    screens = screens_of(config)
    table = _judge(table, [one for one in screens if one.screen.place >= READING])
    return _give_reasons(table, screened_table(config), screens)


def _give_reasons(table: pl.DataFrame, shape: Table, screens: Sequence[SetScreen]) -> pl.DataFrame:
    # few different reasons, so that they can be counted; the numbers stand in the evidence columns
    reasons = {one.screen.status: one.screen.reason(one.settings) for one in screens}
    reason = pl.col("status").replace_strict(reasons, default=None, return_dtype=pl.String)
    return shape_table(table.with_columns(reason=reason), shape)

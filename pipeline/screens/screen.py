"""What must not get into the set: copies, leaks of reference sets, unsafe, small, plain or drawn pictures, and words.

A screen deletes nothing: every row keeps the evidence of all screens, and a status says what it was found to be first.

measure_pictures   `picture_measures`: what one picture shows, per shard
compare_images     all screens but text, over all rows at once
finish_screens     the text read in what is left (`text_reading`), and the final status
screen_images      all of it in one call, for sets that fit in one process
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import ALIVE, COMPARED, SCREENED, TEXTS_READ, Table, alive, shape_table
from relaionet.pipeline.screens.config import ScreenConfig
from relaionet.pipeline.screens.duplicates import ReferenceSet, compare_pictures
from relaionet.pipeline.screens.encoder_scores import SCORES, Scorers
from relaionet.pipeline.screens.pixel_measures import measure_pictures
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
        config: see there.
        references: pictures that must not be in the set.
        scorers: from `load_scorers`.
        reader: reads text in what the other screens leave; None leaves that screen out.
        progress: called with the number of rows just measured.

    Returns:
        SCREENED, the same rows in the same order. A row does not depend on the others' order.

    Raises:
        BadInput: the numbers of rows do not fit.
        Corrupt: a stored picture cannot be decoded any more.
    """
    measured = measure_pictures(
        rows, images, max_pixels=config.max_pixels, threads=config.threads, progress=progress
    )  # fmt: skip
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
    """All screens but that of text.

    A row gets the first that holds: unsafe, watermark, too_small, thin, plain, placeholder, leak, duplicate, drawing.

    Args:
        rows: as for `screen_images`.
        measured: MEASURED of the same rows.
        vectors: as for `screen_images`.
        config: see there.
        references: pictures that must not be in the set.
        scorers: from `load_scorers`.
        progress: called with the number of reference pictures just compared.

    Returns:
        COMPARED, the same rows in the same order.

    Raises:
        BadInput: the numbers of rows do not fit.
    """
    if rows.height != measured.height or (vectors is not None and rows.height != len(vectors)):
        counts = f"{rows.height} rows, {measured.height} measured"
        raise BadInput(f"screen: {counts}, {0 if vectors is None else len(vectors)} vectors; the numbers must agree.")
    table = _with_evidence(rows, measured, config)
    if scorers is not None and vectors is not None:
        table = table.with_columns(**scorers.score(vectors))
    table = table.with_columns(_looks_drawn(config).alias("looks_drawn"))
    table = _judge(table, _rulings(config))
    table = compare_pictures(table, vectors, references, config.same, device=config.device, progress=progress)
    is_drawing = (pl.col("status") == ALIVE) & _is_drawing(config)
    status = pl.when(is_drawing).then(pl.lit("drawing")).otherwise("status")
    return _give_reasons(table.with_columns(status=status), COMPARED, config)


def _with_evidence(rows: pl.DataFrame, measured: pl.DataFrame, config: ScreenConfig) -> pl.DataFrame:
    table = rows.join(measured, on="candidate_id", maintain_order="left")
    nulls = {**OPTIONAL, **SCORES}
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in nulls.items() if name not in table.columns]
    longer = pl.max_horizontal("width_px", "height_px")
    return table.with_columns(
        *missing,
        pixels=pl.col("width_px").cast(pl.Int64) * pl.col("height_px"),
        side_px=pl.min_horizontal("width_px", "height_px"),
        aspect=(longer / pl.min_horizontal("width_px", "height_px")).cast(pl.Float32),
    )


def _most_allowed(usual: float, by_source: Mapping[str, float]) -> pl.Expr:
    """The threshold of a row by the name of its source's file."""
    most = pl.lit(usual)
    name = pl.col("source").fill_null("").str.split("/").list.last()
    for pattern, value in reversed(list(by_source.items())):
        most = pl.when(name.str.contains(_regex_of(pattern))).then(pl.lit(value)).otherwise(most)
    return most


def _regex_of(pattern: str) -> str:
    """A file name pattern, `*` and `?` as in a shell, as a regular expression."""
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return f"^{escaped}$"


def _rulings(config: ScreenConfig) -> list[tuple[str, pl.Expr]]:
    """(status, when), the first that holds counts; what needs other pictures comes after these."""
    unsafe, watermark = config.unsafe, config.watermark
    most_unsafe = _most_allowed(unsafe.max_punsafe, unsafe.by_source)
    most_marked = _most_allowed(watermark.max_pwatermark, watermark.by_source)
    wnids = config.placeholder_wnids
    return [
        ("unsafe", (pl.col("punsafe") > most_unsafe) | (pl.col("unsafe_score") > unsafe.max_score)),
        ("watermark", (pl.col("pwatermark") > most_marked) | (pl.col("watermark_score") > watermark.max_score)),
        ("too_small", pl.col("side_px") < config.min_side_px),
        ("thin", pl.col("aspect") > config.max_aspect),
        ("plain", pl.col("contrast") < config.min_contrast),
        ("placeholder", (pl.col("same_bytes_wnids") >= wnids) if wnids else pl.lit(value=False)),
    ]


def _judge(table: pl.DataFrame, rulings: Sequence[tuple[str, pl.Expr]]) -> pl.DataFrame:
    status = pl.lit(ALIVE)
    for name, when in reversed(rulings):
        status = pl.when(when.fill_null(value=False)).then(pl.lit(name)).otherwise(status)
    return table.with_columns(status=status)


def _is_flat(config: ScreenConfig) -> pl.Expr:
    drawing = config.drawing
    return (pl.col("flat_frac") >= drawing.min_flat_frac) & (pl.col("palette_frac") >= drawing.min_palette_frac)


def _is_no_photo(config: ScreenConfig) -> pl.Expr:
    return (pl.col("photo_score") <= config.drawing.max_photo_score).fill_null(value=False)


def _looks_drawn(config: ScreenConfig) -> pl.Expr:
    return _is_flat(config) | _is_no_photo(config)


def _is_drawing(config: ScreenConfig) -> pl.Expr:
    if not config.drawing.screen_out:
        return pl.lit(value=False)
    return _is_flat(config) & _is_no_photo(config) if config.drawing.ask_encoder else _is_flat(config)


def finish_screens(
    compared: pl.DataFrame, texts: pl.DataFrame, rows: pl.DataFrame, config: ScreenConfig
) -> pl.DataFrame:
    """The final status of every row: that of the other screens, or `text_in_image`.

    Args:
        compared: COMPARED.
        texts: TEXTS_READ of the rows that were read; none where that screen was left out.
        rows: candidate_id and, where they are known, wnid (proposed) and caption_wnid.
        config: see there.

    Returns:
        SCREENED, the same rows in the same order.
    """
    wnids = [pl.col(name) for name in ("wnid", "caption_wnid") if name in rows.columns]
    of_rows = rows.select(
        "candidate_id", (pl.concat_list(wnids) if wnids else pl.lit(None, dtype=pl.List(pl.String))).alias("wnids")
    )
    of_rows = compared.select("candidate_id").join(of_rows, on="candidate_id", maintain_order="left")
    named = name_texts(of_rows.with_columns(pl.col("wnids").list.drop_nulls()), texts, config.text)
    table = compared.join(named, on="candidate_id", maintain_order="left")
    shows_name = (pl.col("text_words").list.len() > 0) & (pl.col("text_words_frac") >= config.text.min_words_frac)
    is_word = (pl.col("status") == ALIVE) & shows_name.fill_null(value=False)
    status = pl.when(is_word).then(pl.lit("text_in_image")).otherwise("status")
    return _give_reasons(table.with_columns(status=status), SCREENED, config)


def _give_reasons(table: pl.DataFrame, shape: Table, config: ScreenConfig) -> pl.DataFrame:
    # few different reasons, so that they can be counted; the numbers stand in the evidence columns
    reasons = {
        "unsafe": "the source, a classifier or the encoder takes it for unsafe",
        "watermark": "the source or a classifier takes it for watermarked",
        "too_small": f"the shorter side is under {config.min_side_px} px",
        "thin": f"one side is over {config.max_aspect:g} times the other",
        "plain": f"the grey values differ by less than {config.min_contrast:g}",
        "placeholder": f"the same bytes serve for {config.placeholder_wnids} classes or more",
        "leak": "the same picture as one of the reference set",
        "duplicate": "the same picture as a candidate that is kept",
        "drawing": "flat and of few colours, or no photo to the encoder",
        "text_in_image": "the picture shows the name of its class as text",
    }
    reason = pl.col("status").replace_strict(reasons, default=None, return_dtype=pl.String)
    return shape_table(table.with_columns(reason=reason), shape)

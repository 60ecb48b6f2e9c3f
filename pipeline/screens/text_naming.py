"""Does the text read in a picture name the picture's class?"""

from __future__ import annotations

import polars as pl

from relaionet.pipeline.captions.lemma_match import find_lemmas
from relaionet.pipeline.screens.text_reading import TextConfig

SEPARATOR = " / "
FOUND: dict[str, pl.DataType | type[pl.DataType]] = {
    "is_text_read": pl.Boolean, "text": pl.String, "text_frac": pl.Float32, "text_words": pl.List(pl.String),
    "text_words_frac": pl.Float32,
}  # fmt: skip


def name_texts(rows: pl.DataFrame, texts: pl.DataFrame, config: TextConfig) -> pl.DataFrame:
    """Which words of the text in pictures name their class.

    Lines are matched by themselves and all together, so that a name set in two lines is found; words of several
    meanings (crane, jay) count here: what matters is that the picture's own class is one of them.

    Args:
        rows: candidate_id, wnids (classes the row may be of: proposed, and named by the caption).
        texts: TEXTS_READ of those that were read.
        config: lines read with less than `min_score` do not count.

    Returns:
        The rows' candidate_ids in their order with the columns of FOUND; null but `is_text_read` where not read.
    """
    read = rows.join(texts.drop("image_sha256", "reader"), on="candidate_id", maintain_order="left")
    found = [_name_picture(row, config) for row in _with_lemmas(read, config)]
    named = pl.DataFrame(found, schema=pl.Schema({"candidate_id": pl.String, **FOUND}), orient="row")
    table = rows.select("candidate_id").join(named, on="candidate_id", how="left", maintain_order="left")
    return table.with_columns(pl.col("is_text_read").fill_null(value=False))


def _with_lemmas(read: pl.DataFrame, config: TextConfig) -> list[dict[str, object]]:
    """Rows with their sure lines, and per line and for all of them the (words, wnids) found."""
    pictures = []
    captions: list[str] = []
    for row in read.iter_rows(named=True):
        told = zip(row["texts"], row["text_scores"], row["text_fracs"], strict=True)
        lines = [(text, frac) for text, score, frac in told if score >= config.min_score]
        first = len(captions)
        captions += [*(text for text, _ in lines), " ".join(text for text, _ in lines)]
        pictures.append({**row, "lines": lines, "captions": range(first, len(captions))})
    hits: dict[int, list[tuple[str, set[str]]]] = {}
    if captions:
        for hit in find_lemmas(pl.Series(captions, dtype=pl.String)).iter_rows(named=True):
            wnids = {hit["sure"]} if hit["sure"] else set(hit["possible"])
            hits.setdefault(hit["row"], []).append((hit["words"], wnids))
    return [{**row, "hits": [hits.get(place, []) for place in row["captions"]]} for row in pictures]


def _name_picture(row: dict[str, object], config: TextConfig) -> tuple[object, ...]:
    lines: list[tuple[str, float]] = row["lines"]  # type: ignore[assignment]
    own = set(row["wnids"] or [])  # type: ignore[call-overload]
    named = [[words for words, wnids in found if wnids & own] for found in row["hits"]]  # type: ignore[attr-defined]
    frac = sum(frac for (_, frac), words in zip(lines, named[:-1], strict=True) if words)
    if named and named[-1] and not any(named[:-1]):  # a name over two lines: all of the text counts
        frac = sum(frac for _, frac in lines)
    words = sorted({word for found in named for word in found})
    text = SEPARATOR.join(text for text, _ in lines if text) or None
    return row["candidate_id"], True, text, min(sum(frac for _, frac in lines), 1.0), words, min(frac, 1.0)

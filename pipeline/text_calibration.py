"""The threshold of a text encoder, found from how similar captions are to classes they do not name.

Every encoder has cosines of its own, so one number cannot serve all. Of a sample of captions that name a class, each is
compared with all the other classes: the null distribution. The threshold is the least cosine at which at most a given
share of these wrong pairs passes. What wrong pairs there are is known without anybody looking at a picture; how many
of the captions that do name the class are about something else all the same is not, and has to be measured on
captions that somebody has read (docs/candidates.md has figures).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.manifests.tables import alive
from relaionet.pipeline.text_match import (
    STEPS_PER_UNIT,
    TEMPLATE,
    TEXTS_PER_BLOCK,
    TextMatchConfig,
    fold_captions,
    round_cosines,
)  # fmt: skip

if TYPE_CHECKING:
    import numpy as np

    from relaionet.pipeline.text_encoders import TextEncoder

VERSION = "1"
FEWEST_CAPTIONS = 20
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
BINS_PER_UNIT = 100
LOWEST = -STEPS_PER_UNIT
# LAIONet's (Shirali and Hardt 2025, section 2), for its text of a class: "name: definition"
PUBLISHED: Mapping[str, float] = {
    "ViT-B-32/openai": 0.82,
    "ViT-B-32-quickgelu/openai": 0.82,
    "sentence-transformers/all-mpnet-base-v2": 0.58,
}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A threshold and what it rests on.

    Attributes:
        min_cosine: least cosine that passes.
        method: `given` (by the recipe), `published` (for this encoder) or `calibrated` (from the captions).
        encoder: its name.
        fingerprint: of the encoder.
        template: text of a class.
        max_false_accept_frac: what was asked for.
        false_accept_frac: share of the wrong pairs that passes; null where there are none.
        named_pass_frac: share of captions similar enough to the class they name; null where there are none.
        captions_count: captions looked at.
        wrong_pairs_count: pairs of a caption and a class it does not name.
        seed: of the sample.
        with_class_names: the source has so few captions that the classes' names stood in as captions.
        named_quantiles: quantile -> cosine of captions and the class they name.
        wrong_quantiles: quantile -> cosine of captions and all other classes.
        named_counts: pairs per hundredth of cosine, from -1 to 1.
        wrong_counts: the same of wrong pairs.
    """

    min_cosine: float
    method: str
    encoder: str
    fingerprint: str
    template: str
    max_false_accept_frac: float
    false_accept_frac: float | None
    named_pass_frac: float | None
    captions_count: int
    wrong_pairs_count: int
    seed: int
    with_class_names: bool
    named_quantiles: Mapping[str, float]
    wrong_quantiles: Mapping[str, float]
    named_counts: tuple[int, ...]
    wrong_counts: tuple[int, ...]


def published_cosine(config: TextMatchConfig) -> float | None:
    """The published threshold of the recipe's encoder; None where there is none for it or its text of a class."""
    if config.encoder is None or not config.use_published or config.template != TEMPLATE:
        return None
    return PUBLISHED.get(config.encoder.strip().removeprefix("sentence-hub:").partition("@")[0])


def sample_captions(shards: Iterable[pl.DataFrame], config: TextMatchConfig) -> pl.DataFrame:
    """A seeded sample of captions that name one class, the same however the rows are cut into shards.

    Args:
        shards: CANDIDATES, one shard at a time; a sample's worth of rows is held besides.
        config: sample_count and seed.

    Returns:
        candidate_id, caption, wnid; at most `config.sample_count` rows, in an order that the seed decides.
    """
    # an id is a digest, so that its digits are random already; the seed turns them around
    salt = (config.seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64
    kept = pl.DataFrame(schema={"candidate_id": pl.String, "caption": pl.String, "wnid": pl.String, "key": pl.UInt64})
    for shard in shards:
        named = alive(shard).filter(pl.col("wnid").is_not_null() & pl.col("caption").is_not_null())
        digits = named["candidate_id"].str.head(16).str.to_integer(base=16, dtype=pl.UInt64)
        part = named.select("candidate_id", "caption", "wnid", key=pl.lit(digits) ^ pl.lit(salt, dtype=pl.UInt64))
        kept = pl.concat([kept, part]).sort("key", "candidate_id").head(config.sample_count)
    return kept.drop("key")


def calibrate_threshold(
    sample: pl.DataFrame, config: TextMatchConfig, encoder: TextEncoder, class_vectors: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> Calibration:  # fmt: skip
    """Find the threshold, and how similar named and wrong pairs are.

    Args:
        sample: caption and wnid, from `sample_captions`; where there are fewer than 20, the classes' names join them.
        config: how.
        encoder: what the captions are encoded with.
        class_vectors: [1000, D] float32 unit rows of `text_match.embed_classes`.
        progress: called with the number of captions done since the last call.
    """
    few = sample.height < FEWEST_CAPTIONS
    rows = sample.select("caption", "wnid")
    if few:
        names = [(label.name, label.wnid) for label in read_labels()]
        rows = pl.concat([rows, pl.DataFrame(names, schema=["caption", "wnid"], orient="row")])
    named, wrong = count_cosines(rows, config, encoder, class_vectors, progress)
    least, method = _choose_threshold(wrong, config)
    return Calibration(
        min_cosine=least, method=method, encoder=encoder.name, fingerprint=encoder.fingerprint,
        template=config.template, max_false_accept_frac=config.max_false_accept_frac,
        false_accept_frac=passing_frac(wrong, least), named_pass_frac=None if few else passing_frac(named, least),
        captions_count=sample.height, wrong_pairs_count=int(wrong.sum()), seed=config.seed, with_class_names=few,
        named_quantiles=_quantiles(named), wrong_quantiles=_quantiles(wrong), named_counts=_bins(named),
        wrong_counts=_bins(wrong),
    )  # fmt: skip


def _choose_threshold(wrong: np.ndarray, config: TextMatchConfig) -> tuple[float, str]:
    if config.min_cosine is not None:
        return config.min_cosine, "given"
    published = published_cosine(config)
    if published is not None:
        return published, "published"
    return least_cosine(wrong, config.max_false_accept_frac), "calibrated"


def count_cosines(
    rows: pl.DataFrame, config: TextMatchConfig, encoder: TextEncoder, class_vectors: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Count pairs by cosine, in steps of 1e-4 from -1 to 1.

    Returns:
        [20001] int64 of captions and the class they name, [20001] int64 of captions and all other classes.
    """
    import numpy as np

    size = 2 * STEPS_PER_UNIT + 1
    named, wrong = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    texts = rows.select(fold_captions(pl.col("caption"), config.max_chars)).to_series().to_list()
    own = np.array([labels_by_wnid()[wnid].class_index for wnid in rows["wnid"]], dtype=np.int64)
    for start in range(0, len(texts), TEXTS_PER_BLOCK):
        part = slice(start, start + TEXTS_PER_BLOCK)
        vectors = encoder.encode_texts(texts[part])  # [T, D] float32
        steps = (
            np.rint(round_cosines(vectors @ class_vectors.T) * STEPS_PER_UNIT).astype(np.int64) - LOWEST
        )  # [T, 1000]
        at_own = steps[np.arange(len(vectors)), own[part]]
        named += np.bincount(at_own, minlength=size)
        wrong += np.bincount(steps.ravel(), minlength=size) - np.bincount(at_own, minlength=size)
        if progress is not None:
            progress(len(vectors))
    return named, wrong


def least_cosine(counts: np.ndarray, max_frac: float) -> float:
    """The least cosine, in steps of 1e-4, that at most `max_frac` of the pairs reach; 1 where even that is too many."""
    import numpy as np

    if not counts.sum():
        return 1.0
    reaching = counts[::-1].cumsum()[::-1]  # pairs at or above each step
    fit = np.flatnonzero(reaching <= max_frac * counts.sum())
    return float(fit[0] + LOWEST) / STEPS_PER_UNIT if len(fit) else 1.0


def passing_frac(counts: np.ndarray, min_cosine: float) -> float | None:
    """Share of pairs with at least this cosine."""
    step = max(0, round(min_cosine * STEPS_PER_UNIT) - LOWEST)
    return float(counts[step:].sum() / counts.sum()) if counts.sum() else None


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    import numpy as np

    if not counts.sum():
        return {}
    below = counts.cumsum() / counts.sum()
    return {f"{share:g}": float(np.searchsorted(below, share) + LOWEST) / STEPS_PER_UNIT for share in QUANTILES}


def _bins(counts: np.ndarray) -> tuple[int, ...]:
    width = STEPS_PER_UNIT // BINS_PER_UNIT
    return tuple(int(part) for part in counts[:-1].reshape(-1, width).sum(axis=1))


def read_calibration(values: Mapping[str, Any]) -> Calibration:
    """A calibration from its stored form."""
    listed = {"named_counts": tuple(values["named_counts"]), "wrong_counts": tuple(values["wrong_counts"])}
    return Calibration(**{**values, **listed})

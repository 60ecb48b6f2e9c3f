"""The threshold of a text encoder, found from how similar captions are to classes they do not name.

Every encoder has cosines of its own, so one number cannot serve all. Each caption of a sample is compared with all the
classes its words do not name: the null distribution. A threshold is the least cosine at which at most a given share of
these wrong pairs passes; the share is smaller for words that often mean something else. What a wrong pair is, is known
without anybody reading a caption; how many captions use a class's word for something else is not, and was measured on
captions that somebody has read (docs/guides/candidates.md has figures).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import alive
from relaionet.pipeline.captions.text_match import (
    STEPS_PER_UNIT,
    TEMPLATE,
    TEXTS_PER_BLOCK,
    TextMatchConfig,
    TextThresholds,
    compared_with,
    fold_captions,
    is_doubtful,
    round_cosines,
)

if TYPE_CHECKING:
    import numpy as np

    from relaionet.pipeline.captions.text_encoders import TextEncoder

VERSION = "2"
FEWEST_CAPTIONS = 20
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
BINS_PER_UNIT = 100
LOWEST = -STEPS_PER_UNIT
SAMPLE: dict[str, type[pl.DataType] | pl.DataType] = {
    "candidate_id": pl.String, "caption": pl.String, "wnids": pl.List(pl.String), "doubtful": pl.Boolean,
}  # fmt: skip
# LAIONet's (Shirali and Hardt 2025, section 2), for its text of a class: "name: definition"
PUBLISHED: Mapping[str, float] = {
    "ViT-B-32/openai": 0.82,
    "ViT-B-32-quickgelu/openai": 0.82,
    "sentence-transformers/all-mpnet-base-v2": 0.58,
}


@dataclass(frozen=True, kw_only=True)
class Cosines:
    """How similar one kind of pairs is.

    Attributes:
        pass_frac: share with at least `min_cosine`; null where there are no pairs.
        pass_doubtful_frac: the same of `min_cosine_doubtful`.
        quantiles: share of pairs below -> cosine.
        counts: pairs per hundredth of cosine, from -1 to 1.
    """

    pass_frac: float | None
    pass_doubtful_frac: float | None
    quantiles: Mapping[str, float]
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TextThreshold:
    """A threshold and what it rests on.

    Attributes:
        min_cosine: least cosine that passes.
        min_cosine_doubtful: the same for words that often mean something else.
        method: `given` (by the recipe), `published` (for this encoder) or `calibrated` (from the captions): where
            `min_cosine` is from.
        encoder: its name.
        fingerprint: of the encoder.
        template: text of a class.
        captions_count: captions looked at.
        wrong_pairs_count: pairs of a caption and a class it does not name.
        seed: of the sample.
        with_class_names: the source has so few captions that the classes' names stood in as captions.
        named: captions and the class they name for sure.
        doubtful: captions and the most similar of the classes their words may name.
        wrong: captions and all other classes; its `pass_frac` is the share of false accepts.
    """

    min_cosine: float
    min_cosine_doubtful: float
    method: str
    encoder: str
    fingerprint: str
    template: str
    captions_count: int
    wrong_pairs_count: int
    seed: int
    with_class_names: bool
    named: Cosines
    doubtful: Cosines
    wrong: Cosines

    @property
    def thresholds(self) -> TextThresholds:
        """What `match_texts` takes."""
        return TextThresholds(sure=self.min_cosine, doubtful=self.min_cosine_doubtful)


def published_cosine(config: TextMatchConfig) -> float | None:
    """The published threshold of the recipe's encoder; None where there is none for it or its text of a class."""
    if config.encoder is None or not config.use_published or config.template != TEMPLATE:
        return None
    return PUBLISHED.get(config.encoder.strip().removeprefix("sentence-hub:").partition("@")[0])


def sample_captions(shards: Iterable[pl.DataFrame], config: TextMatchConfig) -> pl.DataFrame:
    """A seeded sample of captions whose words name a class, or may, the same however the rows are cut into shards.

    Args:
        shards: CANDIDATES, one shard at a time; a sample's worth of rows is held besides.
        config: sample_count and seed.

    Returns:
        candidate_id, caption, wnids List(String) (of the class named, or of all that may be), doubtful Boolean; at most
        `config.sample_count` rows, in an order that the seed decides.
    """
    # an id is a digest, so that its digits are random already; the seed turns them around
    salt = pl.lit((config.seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64, dtype=pl.UInt64)
    key = pl.col("candidate_id").str.head(16).str.to_integer(base=16, dtype=pl.UInt64) ^ salt
    kept = pl.DataFrame(schema=SAMPLE | {"key": pl.UInt64})
    for shard in shards:
        rows = alive(shard).filter(pl.col("caption").is_not_null() & (pl.col("wnid").is_not_null() | is_doubtful()))
        part = rows.select("candidate_id", "caption", wnids=compared_with(), doubtful=is_doubtful(), key=key)
        kept = pl.concat([kept, part]).sort("key", "candidate_id").head(config.sample_count)
    return kept.drop("key")


def calibrate_threshold(
    sample: pl.DataFrame, config: TextMatchConfig, encoder: TextEncoder, class_vectors: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> TextThreshold:  # fmt: skip
    """Find the thresholds, and how similar named and wrong pairs are.

    Args:
        sample: from `sample_captions`; where it has fewer than 20 captions, the classes' names join them.
        config: how.
        encoder: what the captions are encoded with.
        class_vectors: [1000, D] float32 unit rows of `text_match.embed_classes`.
        progress: called with the number of captions done since the last call.
    """
    few = sample.height < FEWEST_CAPTIONS
    rows = pl.concat([sample, _names_as_captions()]) if few else sample
    named, doubtful, wrong = count_cosines(rows, config, encoder, class_vectors, progress)
    least, method = _choose_threshold(wrong, config)
    stricter = config.min_cosine_doubtful
    if stricter is None:
        stricter = max(least, least_cosine(wrong, config.max_false_accept_doubtful_frac))
    return TextThreshold(
        min_cosine=least, min_cosine_doubtful=stricter, method=method, encoder=encoder.name,
        fingerprint=encoder.fingerprint, template=config.template, captions_count=sample.height,
        wrong_pairs_count=int(wrong.sum()), seed=config.seed, with_class_names=few,
        named=_describe(named, least, stricter), doubtful=_describe(doubtful, least, stricter),
        wrong=_describe(wrong, least, stricter),
    )  # fmt: skip


def _names_as_captions() -> pl.DataFrame:
    rows = [("", label.name, [label.wnid], False) for label in read_labels()]
    return pl.DataFrame(rows, schema=SAMPLE, orient="row")


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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Count pairs by cosine, in steps of 1e-4 from -1 to 1.

    Args:
        rows: from `sample_captions`.
        config: how captions are read.
        encoder: what the captions are encoded with.
        class_vectors: [1000, D] float32 unit rows.
        progress: called with the number of captions done since the last call.

    Returns:
        [20001] int64 of captions and the class they name; the same of doubtful captions and the most similar of the
        classes they may name; the same of all captions and all other classes.
    """
    import numpy as np

    counts = np.zeros((3, 2 * STEPS_PER_UNIT + 1), dtype=np.int64)
    texts = rows.select(fold_captions(pl.col("caption"), config.max_chars)).to_series().to_list()
    index = {label.wnid: label.class_index for label in read_labels()}
    doubtful = rows["doubtful"].to_numpy()
    for start in range(0, len(texts), TEXTS_PER_BLOCK):
        part = slice(start, start + TEXTS_PER_BLOCK)
        vectors = encoder.encode_texts(texts[part])  # [T, D] float32
        steps = (
            np.rint(round_cosines(vectors @ class_vectors.T) * STEPS_PER_UNIT).astype(np.int64) - LOWEST
        )  # [T, 1000]
        is_own = np.zeros(steps.shape, dtype=bool)
        for place, wnids in enumerate(rows["wnids"][part]):
            is_own[place, [index[wnid] for wnid in wnids]] = True
        best = np.where(is_own, steps, -1).max(axis=1)  # [T]
        for count, values in zip(counts, (best[~doubtful[part]], best[doubtful[part]], steps[~is_own]), strict=True):
            count += np.bincount(values, minlength=len(count))
        if progress is not None:
            progress(len(vectors))
    return counts[0], counts[1], counts[2]


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


def _describe(counts: np.ndarray, least: float, stricter: float) -> Cosines:
    import numpy as np

    width, total = STEPS_PER_UNIT // BINS_PER_UNIT, int(counts.sum())
    below = counts.cumsum() / max(total, 1)
    quantiles = {f"{share:g}": float(np.searchsorted(below, share) + LOWEST) / STEPS_PER_UNIT for share in QUANTILES}
    bins = counts[:-1].reshape(-1, width).sum(axis=1)
    bins[-1] += counts[-1]  # a cosine of exactly 1
    return Cosines(
        pass_frac=passing_frac(counts, least), pass_doubtful_frac=passing_frac(counts, stricter),
        quantiles=quantiles if total else {}, counts=tuple(int(count) for count in bins),
    )  # fmt: skip


def read_text_threshold(values: Mapping[str, Any]) -> TextThreshold:
    """A calibration from its stored form."""
    parts = {name: values[name] for name in ("named", "doubtful", "wrong")}
    kinds = {name: Cosines(**{**part, "counts": tuple(part["counts"])}) for name, part in parts.items()}
    return TextThreshold(**{**values, **kinds})

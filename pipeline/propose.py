"""A label for every picture, with how sure the encoder is, or an honest `unclear`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import Label
from relaionet.manifests.tables import PROPOSALS, shape_table
from relaionet.pipeline.encoders import DEFAULT_LOGIT_SCALE
from relaionet.pipeline.retrieve import RetrieveConfig, top_labels

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
BLOCK_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class ProposeConfig:
    """When a label is proposed.

    The picture alone decides when the nearest class has both `min_score` and `min_margin`. Where it does not, the
    caption may: its class is proposed when it is supported by the picture, that is, it is among the `top_count`
    nearest classes or its search found the picture, and its own probability is at least `agree_min_score`.

    Attributes:
        logit_scale: factor from cosines to logits; 0 takes the encoder's own.
        min_score: least probability of the nearest class, 0 to 1.
        min_margin: least distance of that probability to the second, 0 to 1.
        agree_min_score: least probability of the caption's class where it decides, 0 to 1.
        top_count: nearest classes kept and shown to reviewers.
        device: where FAISS searches: `auto`, `cpu` or `cuda`.
    """

    logit_scale: float = 0.0
    min_score: float = 0.5
    min_margin: float = 0.2
    agree_min_score: float = 0.05
    top_count: int = 5
    device: str = "auto"


def propose_labels(
    rows: pl.DataFrame, image_vectors: np.ndarray, label_vectors: np.ndarray, labels: Sequence[Label],
    config: ProposeConfig, *, encoder_scale: float = DEFAULT_LOGIT_SCALE, hits: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Propose a label for every picture.

    Args:
        rows: candidate_id, wnid (the class the caption names, null where it names none).
        image_vectors: [N, D] unit rows of the same N candidates.
        label_vectors: [C, D] unit rows.
        labels: of the C rows; all 1000 or those the set is made of.
        config: see there.
        encoder_scale: `logit_scale_of(encoder)`.
        hits: HITS of a search over these or more candidates; further support for captions.

    Returns:
        PROPOSALS, the same rows in the same order. Where the caption decides against a nearer class, `wnid` is the
        caption's class and `score` and `margin` stay those of the nearest.

    Raises:
        BadInput: numbers of rows do not fit, or a setting is out of range.

    Source: zero-shot classification with a softmax over cosines, Radford et al. 2021 (CLIP), section 3.1.
    """
    _check_input(rows, image_vectors, label_vectors, labels, config)
    if rows.is_empty():
        return PROPOSALS.empty()
    scale = config.logit_scale or encoder_scale
    log_sums = _log_sums(image_vectors, label_vectors, scale)
    table = _rank_labels(rows, image_vectors, label_vectors, labels, log_sums, scale, config)
    table = table.with_columns(
        caption_score=_caption_scores(rows["wnid"], image_vectors, label_vectors, labels, log_sums, scale),
        is_hit=_is_hit(rows, hits),
    )
    return shape_table(_decide(table, labels, config), PROPOSALS)


def _check_input(
    rows: pl.DataFrame, image_vectors: np.ndarray, label_vectors: np.ndarray, labels: Sequence[Label],
    config: ProposeConfig,
) -> None:  # fmt: skip
    if rows.height != len(image_vectors) or len(labels) != len(label_vectors):
        raise BadInput(
            f"proposals: {rows.height} rows for {len(image_vectors)} pictures, {len(labels)} labels for "
            f"{len(label_vectors)} label rows; the numbers must be the same."
        )
    if image_vectors.shape[1] != label_vectors.shape[1]:
        raise BadInput(
            f"proposals: pictures and labels have rows of {image_vectors.shape[1]} and {label_vectors.shape[1]} "
            f"numbers; embed both with one encoder."
        )
    if len(labels) < 2:
        raise BadInput(f"proposals: {len(labels)} label cannot be told from another; give at least two.")
    for name in ("min_score", "min_margin", "agree_min_score"):
        if not 0 <= getattr(config, name) <= 1:
            raise BadInput(f"propose: {name} is {getattr(config, name)}; it is a probability, 0 to 1.")
    if config.logit_scale < 0 or config.top_count < 1:
        raise BadInput("propose: logit_scale must not be negative and top_count must be at least 1.")


def _log_sums(image_vectors: np.ndarray, label_vectors: np.ndarray, scale: float) -> np.ndarray:
    """Logarithm of the softmax's denominator over all labels, [N] float64, in blocks of bounded size."""
    import numpy as np

    columns = label_vectors.astype(np.float64).T
    result = np.empty(len(image_vectors))
    for start in range(0, len(image_vectors), BLOCK_ROWS):
        logits = scale * (image_vectors[start : start + BLOCK_ROWS].astype(np.float64) @ columns)  # [block, C]
        best = logits.max(axis=1)
        result[start : start + BLOCK_ROWS] = best + np.log(np.exp(logits - best[:, None]).sum(axis=1))
    return result


def _rank_labels(
    rows: pl.DataFrame, image_vectors: np.ndarray, label_vectors: np.ndarray, labels: Sequence[Label],
    log_sums: np.ndarray, scale: float, config: ProposeConfig,
) -> pl.DataFrame:  # fmt: skip
    """candidate_id, score, margin, top_wnids, top_scores, caption_wnid, agrees_with_caption."""
    import numpy as np

    # a margin needs a second class even where one is kept
    k = min(max(config.top_count, 2), len(labels))
    cosines, top = top_labels(image_vectors, label_vectors, k, RetrieveConfig(device=config.device))
    scores = np.exp(scale * cosines.astype(np.float64) - log_sums[:, None]).clip(0, 1).astype(np.float32)  # [N, k]
    wnids = np.array([label.wnid for label in labels])[top]  # [N, k]
    return pl.DataFrame(
        {
            "candidate_id": rows["candidate_id"],
            "nearest_wnid": pl.Series(wnids[:, 0].tolist(), dtype=pl.String),
            "score": scores[:, 0],
            "margin": scores[:, 0] - scores[:, 1],
            "top_wnids": pl.Series(wnids[:, : config.top_count].tolist(), dtype=pl.List(pl.String)),
            "top_scores": pl.Series(scores[:, : config.top_count].tolist(), dtype=pl.List(pl.Float32)),
            "caption_wnid": rows["wnid"],
        }
    ).with_columns(agrees_with_caption=pl.col("nearest_wnid") == pl.col("caption_wnid"))


def _caption_scores(
    wnids: pl.Series, image_vectors: np.ndarray, label_vectors: np.ndarray, labels: Sequence[Label],
    log_sums: np.ndarray, scale: float,
) -> pl.Series:  # fmt: skip
    """Probability of the class the caption names; null where it names none of the labels."""
    import numpy as np

    places = {label.wnid: place for place, label in enumerate(labels)}
    place = wnids.replace_strict(places, default=None, return_dtype=pl.Int64)
    row = place.is_not_null().arg_true().to_numpy()
    scores = np.full(len(wnids), np.nan)
    pairs = label_vectors[place.drop_nulls().to_numpy()].astype(np.float64), image_vectors[row].astype(np.float64)
    scores[row] = np.exp(scale * np.einsum("nd,nd->n", *pairs) - log_sums[row])
    return pl.Series("caption_score", scores).fill_nan(None)


def _is_hit(rows: pl.DataFrame, hits: pl.DataFrame | None) -> pl.Series:
    """True where the search for the caption's class found the picture."""
    if hits is None:
        return pl.repeat(False, rows.height, eager=True)
    found = hits.select("candidate_id", "wnid", is_hit=pl.lit(value=True))
    joined = rows.join(found, on=["candidate_id", "wnid"], how="left", maintain_order="left")
    return joined["is_hit"].fill_null(value=False)


def _decide(table: pl.DataFrame, labels: Sequence[Label], config: ProposeConfig) -> pl.DataFrame:
    """Add wnid, class_index, status and reason."""
    is_clear = (pl.col("score") >= config.min_score) & (pl.col("margin") >= config.min_margin)
    supported = pl.col("is_hit") | pl.col("top_wnids").list.contains(pl.col("caption_wnid"))
    caption_decides = (supported & (pl.col("caption_score") >= config.agree_min_score)).fill_null(value=False)
    wnid = pl.when(is_clear).then("nearest_wnid").when(caption_decides).then("caption_wnid")
    # few different reasons, so that they can be counted; the numbers stand in score and margin
    why = (
        pl.when(pl.col("score") < config.min_score)
        .then(pl.lit("no class is probable enough"))
        .otherwise(pl.lit("two classes are too close to each other"))
    )
    caption = (
        pl.when(pl.col("caption_wnid").is_null())
        .then(pl.lit("; the caption names none"))
        .otherwise(pl.lit("; the picture does not support the caption's class"))
    )
    indices = {label.wnid: label.class_index for label in labels}
    return table.with_columns(wnid=wnid).with_columns(
        class_index=pl.col("wnid").replace_strict(indices, default=None, return_dtype=pl.Int32),
        status=pl.when(pl.col("wnid").is_null()).then(pl.lit("unclear")).otherwise(pl.lit("ok")),
        reason=pl.when(pl.col("wnid").is_null()).then(why + caption),
    )

"""A label for every picture, with the probability that it is right, or an honest `unclear`.

The probabilities are those of a `Calibration`. One that was fitted on nothing gives none: the columns of probabilities
are null then, and every picture is proposed as its nearest class, since nothing says which are unclear.

Classes that a picture cannot tell apart (`manifests.class_groups`) are weighed together: their summed probability says
whether the row is clear, and of the members the caption's is proposed, or else the most probable one; the group's name
and members stand beside it, so that a reviewer is shown all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from relaionet.manifests.class_groups import groups_by_wnid
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import Label
from relaionet.manifests.tables import PROPOSALS, shape_table
from relaionet.pipeline.proposals.calibration import Calibration, bias_vector, calibration_digest
from relaionet.pipeline.proposals.caption_evidence import Evidence, read_evidence
from relaionet.pipeline.proposals.probabilities import probability_blocks, sum_by_group, weigh_captions

VERSION = "3"
NO_CAPTION = "; the caption names none"
SCORES = (
    "label_score",
    "label_margin",
    "least_score",
    "member_score",
    "score",
    "margin",
    "top_scores",
    "caption_score",
)
UNLIKE = "; the picture does not support what the caption names"


@dataclass(frozen=True, kw_only=True)
class ProposeConfig:
    """When a label is proposed: where its probability and its lead over the next class are large enough.

    Attributes:
        logit_scale: factor from cosines to logits that is known to be right; 0 takes the calibration's.
        min_score: least probability of the class or group proposed, 0 to 1; data may ask for more, class by class.
        min_margin: least distance of that probability to that of the next class outside the group, 0 to 1.
        use_captions: what the caption names counts, as far as captions proved right; else the picture decides alone.
        use_groups: weigh classes together that a picture cannot tell apart.
        top_count: nearest classes kept and shown to reviewers.
    """

    logit_scale: float = 0.0
    min_score: float = 0.5
    min_margin: float = 0.2
    use_captions: bool = True
    use_groups: bool = True
    top_count: int = 5


def propose_labels(
    rows: pl.DataFrame, image_vectors: np.ndarray, label_vectors: np.ndarray, labels: Sequence[Label],
    config: ProposeConfig, calibration: Calibration, *, hits: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Propose a label for every picture.

    Args:
        rows: candidate_id, wnid (the class the caption names, null where it names none); optional possible_wnids,
            other_wnids and is_sure, see `caption_evidence`.
        image_vectors: [N, D] unit rows of the same N candidates.
        label_vectors: [C, D] unit rows.
        labels: of the C rows; all 1000 or those the set is made of.
        config: least score and margin, and what captions and groups count for.
        calibration: what makes probabilities of cosines.
        hits: HITS of a search over these or more candidates; kept as evidence.

    Returns:
        PROPOSALS, the same rows in the same order; a row does not depend on the others.

    Raises:
        BadInput: numbers of rows do not fit, or a setting is out of range.
    """
    _check_input(rows, image_vectors, label_vectors, labels, config)
    if rows.is_empty():
        return PROPOSALS.empty()
    evidence = read_evidence(rows, labels, calibration) if config.use_captions else Evidence.of_nothing(rows.height)
    parts = [
        _judge(block, evidence.rows(part), labels, config, calibration)
        for part, block in probability_blocks(
            image_vectors, label_vectors, config.logit_scale or calibration.logit_scale,
            bias_vector(calibration, labels), with_none=calibration.with_none, lapse=calibration.lapse,
        )
    ]  # fmt: skip
    table = pl.concat(parts).with_columns(
        candidate_id=rows["candidate_id"], calibration=pl.lit(calibration_digest(calibration)[:16])
    )
    table = table.with_columns(hit_rank=_hit_ranks(table, hits))
    if not knows_probabilities(calibration, config):
        table = table.with_columns(pl.lit(None).alias(name) for name in SCORES)
    return shape_table(table, PROPOSALS)


def knows_probabilities(calibration: Calibration, config: ProposeConfig) -> bool:
    """Whether scores are probabilities: fitted on something, or by a scale that the recipe says is right."""
    return calibration.is_fitted or config.logit_scale > 0


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
    for name in ("min_score", "min_margin"):
        if not 0 <= getattr(config, name) <= 1:
            raise BadInput(f"propose: {name} is {getattr(config, name)}; it is a probability, 0 to 1.")
    if config.logit_scale < 0 or config.top_count < 1:
        raise BadInput("propose: logit_scale must not be negative and top_count must be at least 1.")


def _judge(
    by_picture: np.ndarray, evidence: Evidence, labels: Sequence[Label], config: ProposeConfig,
    calibration: Calibration,
) -> pl.DataFrame:  # fmt: skip
    """All columns but candidate_id, calibration and hit_rank, of one block [n, C] of probabilities."""
    names = [_group(label.wnid, config) for label in labels]
    member = _numbered(names)  # [C] which class or group each class belongs to
    both = weigh_captions(by_picture, evidence.places, evidence.errors)
    summed = sum_by_group(both, member)  # [n, G]
    order = np.argsort(-summed, axis=1, kind="stable")
    row = np.arange(len(both))
    best, score = order[:, 0], summed[row, order[:, 0]].clip(0, 1)
    margin = score - (summed[row, order[:, 1]] if summed.shape[1] > 1 else 0.0)
    nearest = np.argsort(-by_picture, axis=1, kind="stable")[:, : max(config.top_count, 2)]
    wnids = np.array([label.wnid for label in labels])
    near_scores = np.take_along_axis(by_picture, nearest, axis=1)
    members = [_members(both[place], member == best[place], evidence.places[place]) for place in range(len(both))]
    least = [max(config.min_score, calibration.least_score(wnids[found[0]])) for found in members]
    table = pl.DataFrame(
        {
            "best_wnid": [str(wnids[found[0]]) for found in members],
            "label_score": score,
            "label_margin": margin,
            "least_score": least,
            "class_group": [names[found[0]] if len(found) > 1 else None for found in members],
            "group_wnids": [[str(wnids[place]) for place in found] if len(found) > 1 else [] for found in members],
            "member_score": [float(both[place, found[0]]) for place, found in enumerate(members)],
            "score": near_scores[:, 0],
            "margin": near_scores[:, 0] - near_scores[:, 1],
            "top_wnids": wnids[nearest[:, : config.top_count]].tolist(),
            "top_scores": near_scores[:, : config.top_count].tolist(),
            "caption_wnid": [named[0] if len(named) == 1 else None for named in evidence.named],
            "caption_wnids": [list(named) for named in evidence.named],
            "caption_score": [float(by_picture[place, list(found)].sum()) if found else None
                              for place, found in enumerate(evidence.places)],
            "nearest_named": [member[nearest[place, 0]] in member[list(found)] if found else None
                              for place, found in enumerate(evidence.places)],
            "proposed_named": [best[place] in member[list(found)] if found else None
                               for place, found in enumerate(evidence.places)],
        },
        schema_overrides={
            "class_group": pl.String, "group_wnids": pl.List(pl.String), "caption_wnid": pl.String,
            "caption_wnids": pl.List(pl.String), "caption_score": pl.Float64, "nearest_named": pl.Boolean,
            "proposed_named": pl.Boolean, "top_scores": pl.List(pl.Float64),
        },
    )  # fmt: skip
    asks_all = calibration.asks_all and not config.logit_scale
    return _decide(table, labels, config, asks_all=asks_all)


def _group(wnid: str, config: ProposeConfig) -> str:
    group = groups_by_wnid().get(wnid) if config.use_groups else None
    return wnid if group is None else group.name


def _numbered(names: Sequence[str]) -> np.ndarray:
    index: dict[str, int] = {}
    return np.array([index.setdefault(name, len(index)) for name in names])


def _members(probabilities: np.ndarray, is_member: np.ndarray, named: Sequence[int]) -> list[int]:
    """Places of a group's members: what the caption alone names first, then by probability."""
    places = np.flatnonzero(is_member)
    told = [place for place in places if place in named]
    first = told[0] if len(told) == 1 else -1
    return sorted(places.tolist(), key=lambda place: (place != first, -probabilities[place], place))


def _hit_ranks(table: pl.DataFrame, hits: pl.DataFrame | None) -> pl.Series:
    """Place of the picture in the search for the proposed class; null where that search did not find it."""
    if hits is None:
        return pl.repeat(None, table.height, dtype=pl.Int32, eager=True)
    found = hits.select("candidate_id", best_wnid="wnid", hit_rank="rank")
    return table.join(found, on=["candidate_id", "best_wnid"], how="left", maintain_order="left")["hit_rank"]


def _decide(table: pl.DataFrame, labels: Sequence[Label], config: ProposeConfig, *, asks_all: bool) -> pl.DataFrame:
    """Add wnid, class_index, agrees_with_caption, tier, status and reason; `asks_all` leaves no row unclear."""
    # as they are stored, so that a reader who compares the stored numbers comes to the same
    table = table.with_columns(pl.col("label_score", "label_margin", "least_score").cast(pl.Float32))
    is_clear = (pl.col("label_score") >= pl.col("least_score")) & (pl.col("label_margin") >= config.min_margin)
    is_clear |= pl.lit(asks_all)
    tier = (
        pl.when(~is_clear).then(pl.lit("unclear"))
        .when(pl.col("proposed_named").is_null()).then(pl.lit("picture"))
        .when(pl.col("proposed_named") & pl.col("nearest_named")).then(pl.lit("agree"))
        .when(pl.col("proposed_named")).then(pl.lit("caption"))
        .otherwise(pl.lit("disagree"))
    )  # fmt: skip
    # few different reasons, so that they can be counted; the numbers stand beside them
    conflict = pl.col("nearest_named").eq(False).fill_null(value=False) & (pl.col("score") >= config.min_score)
    why = (
        pl.when(conflict).then(pl.lit("picture and caption name different classes, and neither is probable enough"))
        .when(pl.col("label_score") < config.min_score).then(pl.lit("no class is probable enough"))
        .when(pl.col("label_score") < pl.col("least_score"))
        .then(pl.lit("proposals of this class are too often wrong at this probability"))
        .otherwise(pl.lit("two classes are too close to each other"))
    )  # fmt: skip
    caption = (
        pl.when(conflict).then(pl.lit(""))
        .when(pl.col("nearest_named").is_null()).then(pl.lit(NO_CAPTION))
        .when(pl.col("nearest_named")).then(pl.lit("; the caption names the nearest"))
        .otherwise(pl.lit(UNLIKE))
    )  # fmt: skip
    indices = {label.wnid: label.class_index for label in labels}
    unclear = pl.col("tier") == "unclear"
    return table.with_columns(tier=tier, agrees_with_caption="nearest_named").with_columns(
        wnid=pl.when(~unclear).then("best_wnid"),
        class_index=pl.when(~unclear).then(
            pl.col("best_wnid").replace_strict(indices, default=None, return_dtype=pl.Int32)
        ),
        status=pl.when(unclear).then(pl.lit("unclear")).otherwise(pl.lit("ok")),
        reason=pl.when(unclear).then(why + caption),
    )

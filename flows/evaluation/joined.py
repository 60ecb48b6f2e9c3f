"""Several evaluations on one page: what may stand side by side, and what has to be computed over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from relaionet.evaluators.metrics.catalogue import METRICS
from relaionet.evaluators.protocols import check_made_alike
from relaionet.evaluators.scoring.mmhm import score_board
from relaionet.evaluators.scoring.score import REAL
from relaionet.flows.evaluation.rescoring import rescoring
from relaionet.flows.evaluation.stored_sets import StoredEvaluation
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, SCORES


@dataclass(frozen=True, eq=False, kw_only=True)
class Joined:
    """Tables of one or several evaluations; every split and protocol stays apart from the others."""

    scores: pl.DataFrame
    class_scores: pl.DataFrame
    differences: pl.DataFrame


def join_evaluations(evaluations: Sequence[StoredEvaluation]) -> Joined:
    """The tables of all evaluations; of a single one as they are stored.

    Where several were made on one split under one protocol, MMHM and the differences are computed anew over all sets.

    Args:
        evaluations: from `set_apart`, or of which no two use one name for different rows.

    Raises:
        BadInput: one name stands for two splits or two sets, or scores were made with different models.
    """
    _check_splits(evaluations)
    if len(evaluations) == 1:
        one = evaluations[0]
        return Joined(
            scores=one.read("scores"), class_scores=one.read("class_scores"), differences=one.read("differences")
        )
    boards: dict[tuple[str, str], list[StoredEvaluation]] = {}
    for one in evaluations:
        boards.setdefault((one.split_name, one.protocol), []).append(one)
    parts = [_join_board(some) for some in boards.values()]
    return Joined(
        scores=pl.concat([SCORES.empty(), *(part.scores for part in parts)]),
        class_scores=pl.concat([CLASS_SCORES.empty(), *(part.class_scores for part in parts)]),
        differences=pl.concat([DIFFERENCES.empty(), *(part.differences for part in parts)]),
    )


def _join_board(evaluations: Sequence[StoredEvaluation]) -> Joined:
    """Evaluations of one split under one protocol."""
    first = evaluations[0]
    owner: dict[str, StoredEvaluation] = {}
    for evaluation in evaluations:
        for one in evaluation.sets:
            if one.label in owner:
                raise BadInput(
                    f"{owner[one.label].root} and {evaluation.root} both hold '{one.label}' on {first.split_name}; "
                    "leave one out, or give the generator another name in its recipe."
                )
            owner[one.label] = evaluation
    parts = [evaluation.read("scores") for evaluation in evaluations]
    scores = pl.concat([parts[0], *(part.filter(pl.col("generator") != REAL) for part in parts[1:])])
    of_rows = [metric.name for metric in METRICS if metric.given_by == "rows"]
    scores = scores.filter(~pl.col("metric").is_in(of_rows))
    for metric, rows in scores.group_by("metric"):
        check_made_alike(rows["made_with"].to_list(), f"scores of {metric[0]}")
    influences = [one for evaluation in evaluations for one in evaluation.influences()]
    folders = {
        one.label: (one.folder, evaluation.root / "reference") for evaluation in evaluations for one in evaluation.sets
    }
    compared, differences = score_board(
        scores, influences, first.choices, split=first.split_name, rescore=rescoring(folders, first.choices)
    )
    return Joined(
        scores=pl.concat([scores, compared]),
        class_scores=pl.concat([evaluation.read("class_scores") for evaluation in evaluations]),
        differences=differences,
    )


def _check_splits(evaluations: Sequence[StoredEvaluation]) -> None:
    """A split's name must stand for one set of images, and for as many requests everywhere."""
    known: dict[str, StoredEvaluation] = {}
    for one in evaluations:
        other = known.setdefault(one.split_name, one)
        if _rows_of(other) != _rows_of(one):
            raise BadInput(
                f"{other.root} and {one.root} both say '{one.split_name}' and scored different images of it; give one "
                "of them another `split_name` in its recipe, or evaluate both on the same rows."
            )


def _rows_of(one: StoredEvaluation) -> object:
    """What tells the rows an evaluation is looked at on."""
    return one.ids if one.ids is not None else (one.split_digest, one.limit)

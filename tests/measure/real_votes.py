"""ReaL's real votes (../shared/real/votes) as the tables the project settles: 85 raters, 184,962 pairs, 5 answers each.

A pair (image, label) is a picture with a proposed class; *yes* is `yes`, *no* is `none` (none of the classes) and
*maybe* is `unsure`, so that what is measured is `settle_votes` itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import DECISIONS, TASKS, shape_table

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "real" / "votes"
CHOICES = ("none", "unsure", "yes")
PUBLISHED = 0.8  # the paper's operating point
START = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Votes:
    """The votes as numbers, sorted by pair and rater.

    Attributes:
        pair, rater, answer: one per answer; answers are 0 no, 1 maybe, 2 yes.
        image: file name of each pair.
        label: class_index of each pair.
        published: score of each pair, 0 to 1.
        raters: ids.
        gold_pair: pairs the experts answered.
        experts: [5, G] bool: an expert says yes (or no; they had no maybe).
        again: [78, G] answers of raters who answered the experts' pairs once more.
        again_raters: their ids.
    """

    pair: np.ndarray
    rater: np.ndarray
    answer: np.ndarray
    image: np.ndarray
    label: np.ndarray
    published: np.ndarray
    raters: np.ndarray
    gold_pair: np.ndarray
    experts: np.ndarray
    again: np.ndarray
    again_raters: np.ndarray

    @property
    def gold(self) -> np.ndarray:
        """[G] bool: most of the five experts say yes."""
        return self.experts.sum(axis=0) >= 3

    @property
    def decision(self) -> np.ndarray:
        """Bool per pair: the published score reaches the paper's operating point."""
        return self.published >= PUBLISHED


@cache
def read_real_votes() -> Votes:
    with np.load(FOLDER / "raters.npz") as file:
        tensor, info, raters = file["tensor"], file["info"], file["ids"]
    with np.load(FOLDER / "scores.npz") as file:
        published = file["tensor"]
        assert (file["info"] == info).all()
    with np.load(FOLDER / "golden.npz") as file:
        experts, gold_info = file["tensor"].argmax(axis=2) == 2, file["info"]
    with np.load(FOLDER / "raters_golden.npz") as file:
        again, again_raters = file["tensor"].argmax(axis=2), file["ids"]
        assert (file["info"] == gold_info).all()
    pair, rater = np.nonzero((tensor.sum(axis=2) > 0).T)
    place = {(name, label): number for number, (name, label) in enumerate(info.tolist())}
    return Votes(
        pair=pair, rater=rater, answer=tensor[rater, pair].argmax(axis=1), image=info[:, 0],
        label=info[:, 1].astype(int), published=published, raters=raters,
        gold_pair=np.array([place[name, label] for name, label in gold_info.tolist()]), experts=experts, again=again,
        again_raters=again_raters,
    )  # fmt: skip


def key(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def make_task_rows(ids: list[str], wnids: list[str], control_wnids: list[str | None] | None = None) -> pl.DataFrame:
    count = len(ids)
    rows = pl.DataFrame(
        {
            "candidate_id": ids, "round": [1] * count, "position": range(count), "proposed_wnid": wnids,
            "runner_up_wnids": [[]] * count, "is_control": [control_wnids is not None] * count,
            "control_wnid": control_wnids or [None] * count, "image_path": ["x"] * count, "caption": [None] * count,
            "answers_wanted_count": [5] * count,
        },
        schema_overrides={"control_wnid": pl.String, "caption": pl.String, "runner_up_wnids": pl.List(pl.String)},
    )  # fmt: skip
    return shape_table(rows, TASKS)


def make_decision_rows(ids: pl.Series, raters: np.ndarray, answers: np.ndarray, first: int = 0) -> pl.DataFrame:
    count = ids.len()
    rows = pl.DataFrame(
        {
            "candidate_id": ids, "round": np.ones(count, np.int32), "reviewer": _names(raters),
            "choice": pl.Series(CHOICES).gather(answers), "other_wnid": pl.Series([None] * count, dtype=pl.String),
            "seconds": np.full(count, 2.0), "at": pl.Series([START], dtype=DECISIONS.schema["at"]).gather([0] * count),
            "annotation_id": np.arange(first, first + count),
        }
    )  # fmt: skip
    return shape_table(rows, DECISIONS)


def _names(raters: np.ndarray) -> pl.Series:
    names, place = np.unique(raters, return_inverse=True)
    return pl.Series([f"r{name:03d}" for name in names]).gather(place)


def wnid_of() -> list[str]:
    return [label.wnid for label in read_labels()]


def real_tables(
    votes: Votes, pairs: np.ndarray | None = None, controls: np.ndarray | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(DECISIONS, TASKS) of some pairs or all, and with them the gold pairs at `controls` as hidden controls.

    A control is a copy of the pair under an id of its own, answered by the raters who answered the experts' pairs once
    more. Where the experts say no, its true class is some other.
    """
    wnids = wnid_of()
    chosen = np.arange(votes.image.size) if pairs is None else np.unique(pairs)
    ids = [key(votes.image[one], votes.label[one]) for one in chosen]
    place = np.full(votes.image.size, -1)
    place[chosen] = np.arange(chosen.size)
    kept = place[votes.pair] >= 0
    decisions = make_decision_rows(
        pl.Series(ids).gather(place[votes.pair[kept]]), votes.raters[votes.rater[kept]], votes.answer[kept]
    )
    tasks = make_task_rows(ids, [wnids[label] for label in votes.label[chosen]])
    if controls is None or not len(controls):
        return decisions, tasks
    about = votes.gold_pair[controls]
    control_ids = [key("control", votes.image[one], votes.label[one]) for one in about]
    asked = [wnids[label] for label in votes.label[about]]
    true = [
        wnid if fits else wnids[(label + 500) % 1000]
        for wnid, fits, label in zip(asked, votes.gold[controls], votes.label[about], strict=True)
    ]
    who = np.repeat(votes.again_raters, len(controls))
    more = make_decision_rows(
        pl.Series(control_ids * len(votes.again_raters)), who, votes.again[:, controls].ravel(), decisions.height
    )
    return pl.concat([decisions, more]), pl.concat([tasks, make_task_rows(control_ids, asked, true)])


def settle_real(
    votes: Votes, config: AgreementConfig, pairs: np.ndarray | None = None, controls: np.ndarray | None = None
) -> pl.DataFrame:
    """VERDICTS of the pairs, in their order, with `fit`: the probability that the label fits."""
    decisions, tasks = real_tables(votes, pairs, controls)
    chosen = np.arange(votes.image.size) if pairs is None else np.unique(pairs)
    ids = [key(votes.image[one], votes.label[one]) for one in chosen]
    verdicts = settle_votes(decisions, tasks, config)
    return pl.DataFrame({"candidate_id": ids}).join(verdicts, on="candidate_id", maintain_order="left")


def halves(votes: Votes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of one half of the images, and of the other."""
    names = np.unique(votes.image)
    first = np.random.default_rng(seed).permutation(names)[: names.size // 2]
    inside = np.isin(votes.image, first)
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def gold_halves(votes: Votes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places among the experts' pairs, of one half of their images and of the other."""
    names = np.unique(votes.image[votes.gold_pair])
    first = np.random.default_rng(seed).permutation(names)[: names.size // 2]
    inside = np.isin(votes.image[votes.gold_pair], first)
    return np.flatnonzero(inside), np.flatnonzero(~inside)

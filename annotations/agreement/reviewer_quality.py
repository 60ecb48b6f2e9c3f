"""How each reviewer did, with intervals, and who is not counted.

Three flags, each from many answers and none from a single one:

* `chance`: on controls he is worse than a coin at saying whether the proposed class fits (the upper end of the 95 %
  interval is below one half).
* `same`: he always gives the same answer; other answers came less than a fifth as often as the controls and his
  colleagues on the same pictures call for.
* `fast`: half of his answers took less than `min_seconds`.

`excluding` names the flags whose reviewers are not counted when votes are settled; the others are only said. Nothing is
deleted: the answers stay in the decisions, and `trusted` or another `excluding` counts them again.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from relaionet.manifests.errors import BadInput

VERSION = "1"
FLAGS = ("chance", "same", "fast")
_Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class FlagConfig:
    """Who is flagged, and what that does.

    Attributes:
        excluding: flags whose reviewers are not counted; any of `chance`, `same`, `fast`.
        trusted: pseudonyms that are counted whatever their flags.
        distrusted: pseudonyms that are never counted.
        controls_min: answered controls below which `chance` is not judged.
        expected_min: other answers that must have been called for before `same` is judged.
        same_frac: share of the other answers called for at or below which an answer counts as always the same, 0 to 1.
        min_seconds: median time of an answer below which it is too fast, in seconds.
        fast_min: answers below which `fast` is not judged.
    """

    excluding: tuple[str, ...] = ("chance", "same")
    trusted: tuple[str, ...] = ()
    distrusted: tuple[str, ...] = ()
    controls_min: int = 8
    expected_min: float = 10.0
    same_frac: float = 0.2
    min_seconds: float = 0.5
    fast_min: int = 20

    def __post_init__(self) -> None:
        """Refuse flags there are none of.

        Raises:
            BadInput: `excluding` names an unknown flag.
        """
        for flag in self.excluding:
            if flag not in FLAGS:
                near = difflib.get_close_matches(flag, FLAGS, 1, 0.0)[0]
                raise BadInput(
                    f"agreement.flags.excluding: '{flag}' is no flag; did you mean {near}? ({', '.join(FLAGS)})"
                )


class Interval(NamedTuple):
    """Ends of an interval of a share, 0 to 1."""

    low: pl.Expr
    high: pl.Expr


def wilson_interval(right: pl.Expr, count: pl.Expr) -> Interval:
    """The 95 % interval of a share; null where nothing was counted.

    Source: Wilson 1927; equals scipy.stats.binomtest(...).proportion_ci(method="wilson") (tested).
    """
    n, share = count.cast(pl.Float64), right / count
    middle = share + _Z95**2 / (2 * n)
    half = _Z95 * (share * (1 - share) / n + _Z95**2 / (4 * n * n)).sqrt()
    scale = 1 + _Z95**2 / n
    known = count > 0
    low = pl.when(known).then(((middle - half) / scale).clip(0, 1))
    high = pl.when(known).then(((middle + half) / scale).clip(0, 1))
    return Interval(low, high)


def rate_reviewers(votes: pl.DataFrame, config: FlagConfig | None = None) -> pl.DataFrame:
    """How each reviewer did.

    Args:
        votes: from `votes.read_votes`.
        config: who is flagged.

    Returns:
        reviewer, answered (pictures that are no controls), controls (answered), right (of those, the true class or, on
        none, exactly), accuracy (right / controls, null without any), low and high (its 95 % interval), seconds (median
        per answer), flags (list), counted (bool); by reviewer.
    """
    config = config or FlagConfig()
    hit = pl.col("is_control") & (pl.col("vote") == pl.col("control_wnid")).fill_null(value=False)
    fits = pl.col("control_wnid") == pl.col("asked_wnid")
    yes = (pl.col("vote") == pl.col("asked_wnid")).fill_null(value=False)
    sound = pl.col("is_control") & (fits == yes) & pl.col("vote").is_not_null()
    rated = votes.group_by("reviewer").agg(
        answered=(~pl.col("is_control")).sum().cast(pl.Int32),
        controls=pl.col("is_control").sum().cast(pl.Int32),
        right=hit.sum().cast(pl.Int32),
        sound=sound.sum().cast(pl.Int32),
        seconds=pl.col("seconds").median().round(3),
        count=pl.len(),
    )
    rated = rated.join(_other_answers(votes), on="reviewer", how="left")
    low, high = wilson_interval(pl.col("right"), pl.col("controls"))
    _, sound_high = wilson_interval(pl.col("sound"), pl.col("controls"))
    flags = {
        "chance": (pl.col("controls") >= config.controls_min) & (sound_high < 0.5),
        "same": (pl.col("expected") >= config.expected_min)
        & (pl.col("others") <= config.same_frac * pl.col("expected")),
        "fast": (pl.col("count") >= config.fast_min) & (pl.col("seconds") < config.min_seconds),
    }
    named = [pl.when(flags[name].fill_null(value=False)).then(pl.lit(name)) for name in FLAGS]
    found = rated.with_columns(
        accuracy=pl.when(pl.col("controls") > 0).then(pl.col("right") / pl.col("controls")), low=low, high=high,
        flags=pl.concat_list(named).list.drop_nulls(),
    )  # fmt: skip
    out = pl.col("flags").list.set_intersection(list(config.excluding)).list.len() > 0
    counted = (~out | pl.col("reviewer").is_in(list(config.trusted))) & ~pl.col("reviewer").is_in(
        list(config.distrusted)
    )
    return found.with_columns(counted=counted).select(
        "reviewer", "answered", "controls", "right", "accuracy", "low", "high", "seconds", "flags", "counted"
    ).sort("reviewer")  # fmt: skip


def _other_answers(votes: pl.DataFrame) -> pl.DataFrame:
    """Per reviewer: others (answers unlike his commonest one), expected (how many controls and colleagues call for)."""
    usual = (
        votes.group_by("reviewer", "choice").len().sort("len", "choice", descending=[True, False])
        .unique("reviewer", keep="first").select("reviewer", usual="choice")
    )  # fmt: skip
    counts = votes.group_by("candidate_id", "choice").agg(like=pl.len())
    right = pl.when(pl.col("control_wnid") == pl.col("asked_wnid")).then(pl.lit("yes")).otherwise(pl.lit("other"))
    table = votes.select("candidate_id", "reviewer", "choice", "is_control", right=right).join(usual, on="reviewer")
    table = table.with_columns(total=pl.len().over("candidate_id"), own=pl.col("choice") == pl.col("usual"))
    table = table.join(
        counts.rename({"choice": "usual"}), on=["candidate_id", "usual"], how="left"
    ).with_columns(pl.col("like").fill_null(0))  # fmt: skip
    colleagues = pl.col("total") - 1
    unlike = (colleagues - (pl.col("like") - pl.col("own").cast(pl.Int64))) / colleagues
    called = (
        pl.when("is_control").then((pl.col("right") != pl.col("usual")).cast(pl.Float64))
        .when(colleagues > 0).then(unlike).otherwise(0.0)
    )  # fmt: skip
    return table.group_by("reviewer").agg(others=(~pl.col("own")).sum(), expected=called.sum())

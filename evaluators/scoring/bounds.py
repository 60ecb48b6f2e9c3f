"""Worst and best values that an MMHM is scaled by, and their file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from relaionet.evaluators.metrics.catalogue import DISTANCES, INGREDIENTS
from relaionet.evaluators.protocols import check_made_alike
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json, write_json

SAME_SET = ("generator", "steps", "guidance")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Worst and best value of each metric over the rows an MMHM compares; keep them to score later rows alike.

    Attributes:
        ends: metric -> (lowest, highest).
        split: of the rows they come from; empty for any.
        made_with: digest of protocol and models of those rows; empty for any.
    """

    ends: Mapping[str, tuple[float, float]]
    split: str = ""
    made_with: str = ""


def write_bounds(path: Path, bounds: Bounds) -> None:
    """Write bounds as JSON."""
    write_json(path, {**asdict(bounds), "ends": {name: list(ends) for name, ends in bounds.ends.items()}})


def read_bounds(path: Path) -> Bounds:
    """Read bounds that `write_bounds` wrote.

    Raises:
        BadInput: the file does not exist or holds no bounds.
        Corrupt: it is no JSON.
    """
    value = read_json(path)
    try:
        ends = {str(name): (float(low), float(high)) for name, (low, high) in value["ends"].items()}
        return Bounds(ends=ends, split=str(value["split"]), made_with=str(value["made_with"]))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadInput(f"{path} holds no bounds of an MMHM ({error}); take `bounds.json` of an evaluation.") from None


def find_bounds(scores: pl.DataFrame) -> Bounds:
    """Lowest and highest value of every metric over the rows that have a Fréchet distance."""
    sets = scores.filter(pl.col("metric").is_in(DISTANCES)).select(SAME_SET)
    ends = scores.join(sets, on=SAME_SET, how="semi").group_by("metric").agg(
        pl.col("value").min().alias("low"), pl.col("value").max().alias("high")
    )  # fmt: skip
    own = scores.filter(pl.col("metric").is_in(DISTANCES))
    return Bounds(
        ends={metric: (low, high) for metric, low, high in ends.sort("metric").iter_rows()},
        split=str(own["split"][0]) if own.height else "", made_with=str(own["made_with"][0]) if own.height else "",
    )  # fmt: skip


def check_bounds(bounds: Bounds, metrics: Sequence[str], scores: pl.DataFrame) -> None:
    """Refuse bounds that do not fit some scores.

    Args:
        bounds: kept from an earlier comparison, or found in these scores.
        metrics: what the MMHM is made of.
        scores: SCORES rows of one split.

    Raises:
        BadInput: they lack a metric or come from another split, protocol or model.
    """
    missing = [name for name in metrics if name not in bounds.ends]
    if missing:
        raise BadInput(f"the bounds know {', '.join(sorted(bounds.ends))} and not {missing[0]}; keep bounds of all.")
    split = str(scores["split"][0])
    if bounds.split and bounds.split != split:
        raise BadInput(
            f"the bounds come from split {bounds.split}, these scores from {split}; they cannot be compared."
        )
    if bounds.made_with:
        own = scores.filter(pl.col("metric").is_in(INGREDIENTS))["made_with"].to_list()
        check_made_alike([bounds.made_with, *own], "scores and bounds")

"""A release's labels settled again from the answers it ships, by the rules it states: anyone can, without the run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import counted_fields
from relaionet.manifests.release.info import INFO_FILE
from relaionet.manifests.release.release import Release
from relaionet.manifests.tables import DECISIONS, TASKS, shape_table
from relaionet.pipeline.settings import build

# bounds for a stranger's settings: beyond them settling would never end or mean nothing
MAX_ROUNDS, MAX_ALTERNATIVES = 10_000, 1000


def state_rules(rules: AgreementConfig) -> dict[str, Any]:
    """What a release says its votes were settled by; keys later than the first releases only where they are set."""
    counted = counted_fields(rules)
    return {name: value for name, value in asdict(rules).items() if name in counted}


def stated_rules(release: Release) -> AgreementConfig:
    """The rules a release says its votes were settled by; the usual ones where it says none.

    Raises:
        BadInput: they are none.
    """
    settings = release.info.notes.get("settings", {})
    values = settings.get("agreement", {}) if isinstance(settings, dict) else {}
    where = f"{release.path / INFO_FILE}: notes.settings.agreement"
    if not isinstance(values, dict):
        raise BadInput(f"{where}: expected a table of keys.")
    rules = build(AgreementConfig, values, where=where)
    posterior = rules.posterior
    if not (0 < posterior.rounds_max <= MAX_ROUNDS and 0 < posterior.alternatives_count <= MAX_ALTERNATIVES):
        raise BadInput(f"{where}: rounds_max and alternatives_count are out of bounds.")
    return rules


def settle_again(release: Release) -> pl.DataFrame:
    """Settle the answers a release ships.

    Returns:
        VERDICTS of every picture that was asked about and is no control.

    Raises:
        BadInput: it ships no answers.
    """
    if release.decisions is None:
        raise BadInput(f"{release.path} ships no decisions; its labels cannot be settled again.")
    asked = release.decisions.unique(["candidate_id", "round"], keep="first", maintain_order=True)
    unknown: dict[str, pl.DataType | type[pl.DataType]] = {
        "position": pl.Int32,
        "runner_up_wnids": pl.List(pl.String),
        "image_path": pl.String,
    }
    tasks = asked.with_columns(
        pl.lit(None, pl.String).alias("caption"), *(pl.lit(None, kind).alias(name) for name, kind in unknown.items())
    )
    return settle_votes(shape_table(release.decisions, DECISIONS), shape_table(tasks, TASKS), stated_rules(release))


def compare_labels(release: Release) -> tuple[int, list[str]]:
    """How many rows of a release come out with the same label and further classes, and the ids of those that do not."""
    verdicts = settle_again(release).filter(pl.col("status") == "accept").select("candidate_id", "wnid", again="wnids")
    voted = release.manifest.filter(pl.col("votes_count") > 0).select("candidate_id", "wnid", "wnids")
    found = voted.join(verdicts, on=["candidate_id", "wnid"], how="inner")
    same = found.filter(pl.col("wnids").list.sort().eq_missing(pl.col("again")))
    differ = voted.join(same, on="candidate_id", how="anti")
    return same.height, differ["candidate_id"].to_list()

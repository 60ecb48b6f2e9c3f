"""Take what was withdrawn out of a split that is finished: judged anew from what is there, nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of, read_json_object
from relaionet.manifests.release.copy import RELEASE_FOLDER
from relaionet.manifests.release.info import INFO_FILE as RELEASE_FILE
from relaionet.manifests.release.release import read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import SPLIT, WITHDRAWN
from relaionet.pipeline.splits.attempts import Attempts
from relaionet.pipeline.splits.build import judge_split
from relaionet.pipeline.splits.plan import INFO_FILE, SplitConfig, plan_split
from relaionet.pipeline.splits.verdicts import VerdictConfig


def withdraw_from_split(split: Path, withdrawn: pl.DataFrame) -> int:
    """Remove the pictures of what was withdrawn, and say so in their rows; the split remembers the list.

    Args:
        split: folder of a finished split.
        withdrawn: WITHDRAWN.

    Returns:
        Rows that are withdrawn, those of earlier lists included.

    Raises:
        BadInput: no finished split there, or one of an earlier version, which holds no release.
        Corrupt: a table is not what its receipt says.
    """
    if not (split / INFO_FILE).is_file():
        raise BadInput(f"{split} holds no finished split ({INFO_FILE} is missing); run `relaionet rebuild` again.")
    folder = split / RELEASE_FOLDER
    if not (folder / RELEASE_FILE).is_file():
        raise BadInput(
            f"{split} was rebuilt by an earlier version and does not hold its release; run `relaionet rebuild` into it "
            "with --withdrawn."
        )
    told, release = read_json_object(split / INFO_FILE), read_release(folder)
    config = SplitConfig(policy=told["policy"], verdicts=VerdictConfig(**told["thresholds"]))
    plan = plan_split(release, config, split, withdrawn=withdrawn)
    if plan.withdrawn is not None and plan.table is None:
        Store(split).write(plan.withdrawn, WITHDRAWN, digest_of(plan.withdrawn.rows()))
        judge_split(plan, Attempts(split, release, plan.withdrawn))
    return Store(split).read(SPLIT).filter(pl.col("status") == "withdrawn").height

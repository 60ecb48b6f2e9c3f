"""What a review asks of its run's recipe."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.tasks.tasks import TasksConfig
from relaionet.flows.curation.recipe import read_run_recipe


@dataclass(frozen=True, kw_only=True)
class ReviewSettings:
    """The part of a recipe of `curate` that steers its review.

    Attributes:
        name: of the run, its projects and its release.
        overlap: independent answers asked for per task.
        overlap_again: the same for pictures that are asked about again.
        offer_all_labels: let reviewers search all 1000 classes for "another class".
        pictures: where Label Studio takes the pictures from, as `PushConfig.pictures`.
        controls: parquet with columns path, wnid: pictures with known labels; None for none.
        examples: folder with a folder of known pictures per wnid; None for none.
        tasks: how tasks are made and shown.
        agreement: how answers are settled.
    """

    name: str
    overlap: int
    overlap_again: int
    offer_all_labels: bool
    pictures: str
    controls: Path | None
    examples: Path | None
    tasks: TasksConfig
    agreement: AgreementConfig


def read_review_settings(root: Path) -> ReviewSettings:
    """The settings of a run's review.

    Args:
        root: folder of a run that was curated.

    Raises:
        BadInput: the folder holds no curated run.
    """
    recipe = read_run_recipe(root)
    return ReviewSettings(**{field.name: getattr(recipe, field.name) for field in fields(ReviewSettings)})

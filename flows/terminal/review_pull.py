"""`relaionet review pull`: answers pulled, votes settled, what was accepted released; needs no Prefect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from relaionet.flows.pages.review import write_reviewed_pages
from relaionet.flows.reviewing.pull import PULLED, pull_decisions
from relaionet.flows.reviewing.refit import refit_probabilities
from relaionet.flows.reviewing.release import release_run
from relaionet.flows.reviewing.settings import ReviewSettings, read_review_settings
from relaionet.flows.reviewing.studio import Studio, open_studio
from relaionet.flows.reviewing.verdicts import settle_run
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.stages import publish_counts


@dataclass(frozen=True, kw_only=True)
class ReviewWork:
    """What a pull works with.

    Attributes:
        run: its folder, held by whoever made this.
        settings: of its review.
        studio: the open Label Studio, with its key.
    """

    run: Run
    settings: ReviewSettings
    studio: Studio


@contextmanager
def open_review(run: Run, *, full: bool = False) -> Iterator[ReviewWork]:
    """A run's review, its folder held and its Label Studio open.

    Args:
        run: the run.
        full: forget what the last pull saw.

    Raises:
        BadInput: the folder holds no curated run, or the key is missing or wrong.
        Unavailable: the server does not answer.
    """
    settings = read_review_settings(run.root)
    with hold_folder(run.root):
        if full:
            (run.root / PULLED).unlink(missing_ok=True)
        with open_studio(run) as studio:
            yield ReviewWork(run=run, settings=settings, studio=studio)


def pull_review(work: ReviewWork, *, release: bool = False, vectors: bool = False) -> dict[str, int]:
    """Pull every answer, settle the votes, and say what is left.

    Args:
        work: the open review.
        release: release the accepted rows afterwards.
        vectors: ship the pictures' embeddings with the release.

    Returns:
        Pictures by what they were settled to.
    """
    run = work.run
    run.reporter.headline(f"Review {work.settings.name}")
    pull_decisions(run, work.settings.name, work.studio.client)
    verdicts = settle_run(run, work.settings.agreement)
    publish_counts(run, "review")
    if refit_probabilities(run) and not release:
        write_reviewed_pages(run, work.settings)
    if release:
        release_run(run, work.settings, vectors=vectors)
        write_reviewed_pages(run, work.settings)  # and the index, which lists the release from now on
    return dict(verdicts["status"].value_counts(sort=True).iter_rows())

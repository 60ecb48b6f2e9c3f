"""The flows of a review: tasks pushed to Label Studio; answers pulled from it and settled into verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relaionet.flows.reviewing.push import run_push
from relaionet.flows.runs.handed import handed, handing
from relaionet.flows.runs.reporter import Reporter
from relaionet.flows.runs.run import Run
from relaionet.flows.runs.served import served_flow
from relaionet.flows.terminal.review_pull import ReviewWork, open_review, pull_review


@served_flow("review-push")
def review_push(
    run: Path, again: bool = False, budget: int | None = None, pictures: str | None = None, restore_page: bool = False
) -> dict[int, int]:
    """Push the tasks of a run to Label Studio; what is there already is not pushed again.

    The Label Studio is the one that LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY name, else the run's own, which is
    started where it does not run yet.

    Args:
        run: folder of the run.
        again: first make a further round of the pictures that are undecided.
        budget: answers the further round may ask for in all; where this is not said, it asks about every undecided
            picture.
        pictures: where the server takes pictures from: `auto`, `local`, `upload`, or the address they were put under;
            the recipe's where this is not said.
        restore_page: put back the page of projects whose labelling config was changed.

    Returns:
        Round -> number of its project.

    Raises:
        BadInput: the run has no tasks, no picture is undecided, or the key is missing or wrong.
        Unavailable: the server does not answer.
    """
    pushed = run_push(run, again=again, budget=budget, pictures=pictures, restore_page=restore_page)
    return dict(pushed.projects)


@served_flow("review")
def review_pull(run: Path, release: bool = False, vectors: bool = False, full: bool = False) -> dict[str, int]:
    """Pull every answer from Label Studio, settle the votes, and say what is left to review.

    Args:
        run: folder of the run.
        release: release the accepted rows afterwards.
        vectors: ship the pictures' embeddings with the release, to compare at a rebuild.
        full: read every answer again, not only what changed since the last pull.

    Returns:
        Pictures by what they were settled to.

    Raises:
        BadInput: the folder holds no curated run, or the key is missing or wrong.
        Unavailable: the server does not answer.
    """
    with _opened(run, full=full) as work:
        return pull_review(work, release=release, vectors=vectors)


@contextmanager
def _opened(root: Path, *, full: bool) -> Iterator[ReviewWork]:
    """What was handed to the flow, else what its parameters name."""
    work = handed(ReviewWork)
    if work is not None:
        yield work
        return
    with open_review(Run(root=root), full=full) as work:
        yield work


def run_review(
    root: Path, *, release: bool = False, vectors: bool = False, full: bool = False, reporter: Reporter | None = None
) -> Run:
    """Pull, settle, and say what is left; what is wrong is said before a flow is started.

    Args:
        root: folder of the run.
        release: release the accepted rows afterwards.
        vectors: ship the pictures' embeddings with the release.
        full: read every answer again.
        reporter: where progress is shown.
    """
    run = Run(root=root, reporter=reporter or Reporter())
    with open_review(run, full=full) as work, handing(work):
        review_pull(root, release=release, vectors=vectors, full=full)
    return run

"""`relaionet review status`: where a review stands, in the terminal and as a page; needs no server."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relaionet.annotations.agreement.status import review_status
from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.projects import list_projects
from relaionet.annotations.label_studio.server import find_studio
from relaionet.annotations.label_studio.server_settings import read_credentials
from relaionet.flows.pages.review import write_review_report
from relaionet.flows.reviewing.pull import pull_decisions
from relaionet.flows.reviewing.settings import ReviewSettings, read_review_settings
from relaionet.flows.reviewing.studio import URL, open_studio
from relaionet.flows.reviewing.verdicts import describe_reviewer
from relaionet.flows.runs.folder_lock import hold_folder
from relaionet.flows.runs.run import Run
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.tables import DECISIONS, TASKS
from relaionet.manifests.words import name_counted, say_count


def show_status(root: Path, *, report: bool = True) -> Path | None:
    """Print progress, agreement, reviewers and what is left; write `review.html`.

    Answers are pulled first where a server is set up (LABEL_STUDIO_URL) or the run's own is running; else what was
    pulled before is shown. No server is started.

    Args:
        root: folder of the run.
        report: write the page.

    Returns:
        The page; None where it was not asked for.

    Raises:
        BadInput: the folder holds no review, or the server refuses the key.
    """
    run = Run(root=root)
    settings = read_review_settings(root)
    with hold_folder(root):
        tasks = run.store.read_all(TASKS)
        if tasks.is_empty():
            raise BadInput(f"{root} has no tasks; run `relaionet curate` to its end first.")
        run.reporter.headline(f"Review {settings.name}")
        projects = _pull_where_possible(run, settings)
        decisions = run.store.read_all(DECISIONS)
        status = review_status(decisions, tasks, settings.agreement)
        for line in (*round_lines(status, projects), *status_lines(status, root)):
            run.reporter.say(line)
        if not report:
            return None
        page = write_review_report(run, settings, status)
        run.reporter.say(f"\nReport: {page}")
        return page


def _pull_where_possible(run: Run, settings: ReviewSettings) -> dict[int, str]:
    """Pull where a server answers; round -> addresses of its projects, empty where none does."""
    try:
        if os.environ.get(URL):
            with open_studio(run) as studio:
                return _pull(run, settings, studio.client)
        client = _running_server(run.root / "studio")
        if client is not None:
            return _pull(run, settings, client)
        said = "no server is running"
    except Unavailable as error:
        said = str(error)
    receipt = run.store.path(DECISIONS, "all")
    when = datetime.fromtimestamp(receipt.stat().st_mtime, UTC) if receipt.exists() else None
    told = f"as pulled on {when:%Y-%m-%d %H:%M} UTC" if when else "nothing was pulled yet"
    run.reporter.say(f"  {told} ({said})")
    return {}


def _running_server(folder: Path) -> StudioClient | None:
    """A client of the run's own server, where it is running; it is never started."""
    url = find_studio(folder) if folder.is_dir() else None
    return connect_studio(url, read_credentials(folder)["token"]) if url else None


def _pull(run: Run, settings: ReviewSettings, client: StudioClient) -> dict[int, str]:
    projects = list_projects(client, settings.name)
    if not projects:
        raise BadInput(f"{client.url} has no review '{settings.name}'; run `relaionet review push --run {run.root}`.")
    pull_decisions(run, settings.name, client)
    addresses: dict[int, str] = {}
    for one in projects:
        addresses[one.round] = f"{addresses.get(one.round, '')} {client.url}/projects/{one.id}".strip()
    return addresses


def round_lines(status: dict[str, Any], projects: dict[int, str]) -> list[str]:
    """One line per round: tasks = finished + left, and the answers there are."""
    lines = []
    for row in status["by_round"]:
        tasks, answers = name_counted(row["tasks"], "task"), say_count(row["answers"], "answer")
        parts = f"{row['finished']:,} finished + {row['left']:,} left ({answers})"
        line = f"  round {row['round']:<6}{row['tasks']:>7,} {tasks} = {parts}  {projects.get(row['round'], '')}"
        lines.append(line.rstrip())
    return lines


def status_lines(status: dict[str, Any], root: Path) -> list[str]:
    """Verdicts, agreement, reviewers and what is left, in words."""
    parts = f"{status['accept']:,} accepted + {status['reject']:,} rejected + {status['again']:,} undecided"
    unanswered = f"({status['unanswered']:,} of these without an answer)"
    lines = [f"  {'pictures':<12}{status['candidates']:>7,} = {parts} {unanswered}"]
    found = status["agreement"]
    if found["alpha"] is not None:
        interval = f" (95 %: {found['low']:.3f} to {found['high']:.3f})" if found["low"] is not None else ""
        lines.append(
            f"  agreement   Krippendorff's alpha {found['alpha']:.3f}{interval}, {say_count(found['units'], 'picture')}"
        )
    lines += [
        f"  {row['reviewer']:<20} {row['answered']:>6,} {name_counted(row['answered'], 'answer')}, "
        f"{describe_reviewer(row)}, {row['seconds']:.1f} s each"
        for row in status["reviewers"]
    ]
    left = status["left"]
    speed = f", about {left['hours']:.1f} h at {left['per_hour']:.0f} answers an hour" if left["hours"] else ""
    lines.append(f"  left        {say_count(left['answers'], 'answer')} of the rounds pushed{speed}")
    return lines if left["answers"] else [*lines, *_next_step(status, root)]


def _next_step(status: dict[str, Any], root: Path) -> list[str]:
    """What to do where the rounds there are need no further answer."""
    if status["again"]:
        return [f"\nNext: `relaionet review push --again --run {root}`, with `--budget N` to ask for N answers only."]
    return [f"\nNext: `relaionet review pull --release --run {root}`."] if status["accept"] else []

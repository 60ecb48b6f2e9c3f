"""Tasks that stand twice in a project, by two pushes at the same time: found, and taken out where nobody answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from relaionet.annotations.label_studio.projects import iterate_tasks
from relaionet.manifests.errors import BadInput

if TYPE_CHECKING:
    from relaionet.annotations.label_studio.client import StudioClient


def read_candidates(client: StudioClient, project: int) -> dict[str, list[tuple[int, int]]]:
    """The tasks of a project: candidate_id -> (task id, answers) of each task that carries it."""
    found: dict[str, list[tuple[int, int]]] = {}
    for task in iterate_tasks(client, project, "id,data,total_annotations"):
        one = (task.get("data") or {}).get("candidate_id")
        if isinstance(one, str):
            found.setdefault(one, []).append((int(task["id"]), int(task.get("total_annotations") or 0)))
    return found


def remove_doubles(client: StudioClient, project: int) -> tuple[Iterable[str], int]:
    """Take out what stands twice and nobody answered.

    Args:
        client: where.
        project: its id.

    Returns:
        candidate_id of everything the project holds, and how many tasks were taken out.

    Raises:
        BadInput: the server refuses it.
        Unavailable: no answer.
    """
    known, count = read_candidates(client, project), 0
    for places in known.values():
        # what was answered stays, else the oldest
        keep = max(places, key=lambda one: (one[1], -one[0]))
        for task, _ in places:
            if task != keep[0] and _is_untouched(client, task):
                count += _take_out(client, task)
    return known, count


def _take_out(client: StudioClient, task: int) -> bool:
    """Take a task out; False where another push did so meanwhile."""
    try:
        client.request("DELETE", f"/api/tasks/{task}/")
    except BadInput:
        if _is_untouched(client, task):  # it is still there: the refusal means something else
            raise
        return False
    return True


def _is_untouched(client: StudioClient, task: int) -> bool:
    try:
        about = client.request("GET", f"/api/tasks/{task}/")
    except BadInput:
        return False  # another push was faster
    return not (about.get("annotations") or about.get("drafts"))

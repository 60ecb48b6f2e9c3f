"""Label Studio's projects of a review: one per round, found again by a mark in the description, so renaming is safe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relaionet.annotations.studio import StudioClient

_TITLE_CHARS = 50
_PICTURES = '<View><Image name="image" value="$image"/></View>'


def _mark(name: str, part: str) -> str:
    return f"reLAIONet review: {' '.join(name.split())} · {part}"


def _title(name: str, part: str) -> str:
    return f"{name[: _TITLE_CHARS - len(part) - 3]} · {part}"


def _described(client: StudioClient) -> Iterator[tuple[int, str]]:
    for project in _pages(client, "/api/projects", {"include": "id,title,description"}, "results"):
        yield int(project["id"]), (project.get("description") or "").split("\n")[0].strip()


def find_projects(client: StudioClient, name: str) -> dict[int, int]:
    """The projects of a review: round -> project id, empty where there is none."""
    pattern = re.compile(re.escape(_mark(name, "round ")) + r"(\d+)$")
    found: dict[int, int] = {}
    for project, mark in sorted(_described(client)):
        match = pattern.match(mark)
        if match:
            found.setdefault(int(match[1]), project)
    return dict(sorted(found.items()))


def find_pictures(client: StudioClient, name: str) -> int:
    """The project that holds a review's uploaded pictures, made when missing.

    They cannot be uploaded into a round's own project: Label Studio refuses files there, because its page shows more
    than one field of a task.
    """
    mark = _mark(name, "pictures")
    for project, found in sorted(_described(client)):
        if found == mark:
            return project
    about = {"title": _title(name, "pictures"), "description": mark, "label_config": _PICTURES}
    return int(client.request("POST", "/api/projects", json=about)["id"])


def _pages(client: StudioClient, path: str, params: dict[str, Any], key: str, size: int = 1000) -> Iterator[Any]:
    seen, page = 0, 1
    while True:
        answer = client.request("GET", path, params={**params, "page": page, "page_size": size})
        yield from answer[key]
        seen += len(answer[key])
        total = answer.get("total", answer.get("count", 0))
        if not answer[key] or seen >= total:
            return
        page += 1


def read_tasks(client: StudioClient, project: int) -> list[dict[str, Any]]:
    """All tasks of a project as raw JSON without their answers: id, data, total_annotations, …."""
    return list(_pages(client, "/api/tasks", {"project": project, "fields": "task_only"}, "tasks"))


def make_project(client: StudioClient, name: str, round_number: int, page: str, overlap: int) -> int:
    """Make the project of a round; its id.

    Args:
        client: of a user who may make projects.
        name: of the review.
        round_number: from 1.
        page: labelling config.
        overlap: independent answers wanted per task.
    """
    about = {
        "title": _title(name, f"round {round_number}"),
        "description": _mark(name, f"round {round_number}"),
        "label_config": page,
        "maximum_annotations": overlap,
        "sampling": "Sequential sampling",
        # an answer may only be missing because nobody gave one
        "show_skip_button": False,
        "enable_empty_annotation": False,
        "show_annotation_history": False,
        "show_collab_predictions": False,
    }
    return int(client.request("POST", "/api/projects", json=about)["id"])


def read_progress(client: StudioClient, project_name: str) -> list[dict[str, int]]:
    """Per round: round, project, tasks, finished (have all their answers), answers."""
    rows = []
    for round_number, project in find_projects(client, project_name).items():
        about = client.request("GET", f"/api/projects/{project}")
        rows.append(
            {
                "round": round_number, "project": project, "tasks": int(about.get("task_number") or 0),
                "finished": int(about.get("finished_task_number") or 0),
                "answers": int(about.get("total_annotations_number") or 0),
            }
        )  # fmt: skip
    return rows

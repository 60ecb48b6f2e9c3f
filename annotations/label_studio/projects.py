"""Label Studio's projects of a review, found again by a mark in the description, so that renaming one is safe.

A round's tasks that want different numbers of answers are in projects of their own, because Label Studio asks for one
number per project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relaionet.annotations.tasks.page import ANSWER, CHOICES
from relaionet.manifests.errors import BadInput
from relaionet.manifests.words import say_count

if TYPE_CHECKING:
    from relaionet.annotations.label_studio.client import StudioClient

_TITLE_CHARS = 50
_PICTURES = '<View><Image name="image" value="$image"/></View>'
PAGE_COUNT = 1000


@dataclass(frozen=True, kw_only=True)
class ReviewProject:
    """One project of a review.

    Attributes:
        id: Label Studio's.
        round: review round, from 1.
        wanted: independent answers it asks for per task.
        key: its id and the time it was made, so that one with the same id on another server is not taken for it.
    """

    id: int
    round: int
    wanted: int
    key: str


def _mark(name: str, part: str) -> str:
    return f"reLAIONet review: {' '.join(name.split())} · {part}"


def _title(name: str, part: str) -> str:
    return f"{name[: _TITLE_CHARS - len(part) - 3]} · {part}"


def _part(round_number: int, wanted: int) -> str:
    return f"round {round_number} · {say_count(wanted, 'answer')}"


def _listed(client: StudioClient) -> Iterator[tuple[str, dict[str, Any]]]:
    """The mark of every project this user sees, and what is known of it; by id."""
    about = {"include": "id,title,description,maximum_annotations,created_at"}
    for project in sorted(read_pages(client, "/api/projects", about, "results"), key=lambda one: int(one["id"])):
        yield (project.get("description") or "").split("\n")[0].strip(), project


def list_projects(client: StudioClient, name: str) -> list[ReviewProject]:
    """All projects of a review, by round, answers wanted and id; two pushes at once may have made two alike."""
    pattern = re.compile(re.escape(_mark(name, "round ")) + r"(\d+)(?: · (\d+) answers?)?$")
    found = []
    for mark, project in _listed(client):
        match = pattern.match(mark)
        if match:
            wanted = int(match[2] or project.get("maximum_annotations") or 1)
            key = f"{project['id']}@{project.get('created_at')}"
            found.append(ReviewProject(id=int(project["id"]), round=int(match[1]), wanted=wanted, key=key))
    return sorted(found, key=lambda one: (one.round, one.wanted, one.id))


def find_projects(client: StudioClient, name: str) -> dict[int, int]:
    """The first project of each round: round -> project id, empty where there is none."""
    found: dict[int, int] = {}
    for project in list_projects(client, name):
        found[project.round] = min(project.id, found.get(project.round, project.id))
    return found


def find_pictures(client: StudioClient, name: str) -> int:
    """The project that holds a review's uploaded pictures, made when missing.

    They cannot be uploaded into a round's own project: Label Studio refuses files there, because its page shows more
    than one field of a task.
    """
    mark = _mark(name, "pictures")
    for found, project in _listed(client):
        if found == mark:
            return int(project["id"])
    about = {"title": _title(name, "pictures"), "description": mark, "label_config": _PICTURES}
    return int(client.request("POST", "/api/projects", json=about)["id"])


def read_pages(client: StudioClient, path: str, params: Mapping[str, Any], key: str) -> Iterator[Any]:
    """All items of a listing that comes in pages."""
    seen, page = 0, 1
    while True:
        answer = client.request("GET", path, params={**params, "page": page, "page_size": PAGE_COUNT})
        yield from answer[key]
        seen += len(answer[key])
        total = answer.get("total", answer.get("count", 0))
        if not answer[key] or seen >= total:
            return
        page += 1


def iterate_tasks(
    client: StudioClient, project: int, include: str, *, where: Mapping[str, tuple[str, str, Any]] | None = None,
    answers: bool = False,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Tasks of a project as raw JSON by id, a page at a time.

    Each page asks for what comes after the last id, so a task that is deleted meanwhile hides no other.

    Args:
        client: of a user who may read the project.
        project: its id.
        include: fields wanted, comma-separated; older servers send all.
        where: column -> (operator, type, value) of Label Studio's data manager; all must hold.
        answers: with their answers.
    """
    last = 0
    while True:
        rules = {"id": ("greater", "Number", last), **(where or {})}
        items = [
            {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
            for column, (operator, kind, value) in rules.items()
        ]
        query = json.dumps({"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]})
        params = {
            "project": project, "fields": "all" if answers else "task_only", "include": include, "query": query,
            "resolve_uri": "false", "page": 1, "page_size": PAGE_COUNT,
        }  # fmt: skip
        answer = client.request("GET", "/api/tasks", params=params)
        page = answer["tasks"]
        yield from page
        # not by the length of the page: a server may give fewer than it was asked for
        if not page or len(page) >= int(answer.get("total", len(page) + 1)):
            return
        last = int(page[-1]["id"])


def read_tasks(client: StudioClient, project: int) -> list[dict[str, Any]]:
    """All tasks of a project without their answers: id, data, total_annotations."""
    return list(iterate_tasks(client, project, "id,data,total_annotations"))


def make_project(client: StudioClient, name: str, round_number: int, page: str, wanted: int) -> ReviewProject:
    """Make the project of a round, or find the one that somebody else made in the same moment.

    Args:
        client: of a user who may make projects.
        name: of the review.
        round_number: from 1.
        page: labelling config.
        wanted: independent answers wanted per task.

    Raises:
        BadInput: a project has this review's title but not its mark, so nobody can say whose it is.
    """
    part = _part(round_number, wanted)
    for mark, project in _listed(client):
        if project.get("title") == _title(name, part) and not mark.startswith("reLAIONet review:"):
            raise BadInput(
                f"project {project['id']} of {client.url} is titled like this review, but the first line of its "
                f"description is not its mark any more. Put back '{_mark(name, part)}' there, or give the project "
                "another title; pushing now would ask everything twice."
            )
    about = {
        "title": _title(name, part),
        "description": _mark(name, part),
        "label_config": page,
        "maximum_annotations": wanted,
        "sampling": "Sequential sampling",
        # an answer may only be missing because nobody gave one
        "show_skip_button": False,
        "enable_empty_annotation": False,
        "show_annotation_history": False,
        "show_collab_predictions": False,
    }
    made = int(client.request("POST", "/api/projects", json=about)["id"])
    alike = [one for one in list_projects(client, name) if (one.round, one.wanted) == (round_number, wanted)]
    if not alike:
        raise BadInput(f"{client.url} made project {made} but does not list it; check what this key may see.")
    if alike[0].id != made:  # another push was faster
        client.request("DELETE", f"/api/projects/{made}/")
    return alike[0]


def page_trouble(about: Mapping[str, Any]) -> str:
    """What a project's page lacks for its answers to be read as those of a review; empty where it lacks nothing.

    Args:
        about: the project, as the server describes it.
    """
    group = (about.get("parsed_label_config") or {}).get(ANSWER)
    if not isinstance(group, dict) or group.get("type") != "Choices":
        return f"it has no choices named '{ANSWER}'"
    lacking = set(CHOICES) - set(group.get("labels") or ())
    return f"its answers lack {', '.join(sorted(lacking))}" if lacking else ""


def read_progress(client: StudioClient, project_name: str) -> list[dict[str, int]]:
    """Per project: round, wanted, project, tasks, finished (have all their answers), answers."""
    rows = []
    for project in list_projects(client, project_name):
        about = client.request("GET", f"/api/projects/{project.id}")
        rows.append(
            {
                "round": project.round, "wanted": project.wanted, "project": project.id,
                "tasks": int(about.get("task_number") or 0),
                "finished": int(about.get("finished_task_number") or 0),
                "answers": int(about.get("total_annotations_number") or 0),
            }
        )  # fmt: skip
    return rows

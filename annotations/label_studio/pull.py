"""Pull: every annotator's every submitted answer, reading only what changed since the last time where that is enough.

Label Studio marks a task as changed when an answer to it is given, edited or deleted, so the changed tasks are read.
Whether that was all is checked against the server's own count of answers; where the two differ (a task was deleted, a
server was killed between two writes) more is read, at last everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from relaionet.annotations.label_studio.projects import ReviewProject, iterate_tasks, list_projects, page_trouble
from relaionet.manifests.errors import BadInput
from relaionet.manifests.words import say_count

if TYPE_CHECKING:
    from relaionet.annotations.label_studio.client import StudioClient

VERSION = "2"
# the server applies the list to what stands inside an answer too
_ANSWER_FIELDS = ("id", "result", "completed_by", "was_cancelled", "lead_time", "created_at", "updated_at")
_FIELDS = ",".join(dict.fromkeys(("id", "data", "annotations", "updated_at", *_ANSWER_FIELDS)))
# a change is dated when it is made and seen when it is committed, which may be later
_MARGIN = timedelta(minutes=2)
# what to read, at the first pull and later; each step only where the one before does not add up to the server's count,
# and what changed is read again first, because people go on answering meanwhile
_WAYS = {False: ("counted", "changed", "all"), True: ("changed", "changed", "counted", "changed", "all")}


@dataclass(kw_only=True)
class ProjectSeen:
    """What earlier pulls saw of one project.

    Attributes:
        since: the latest change seen, as the server wrote it; empty before the first pull.
        answers: task id -> ids of its submitted answers.
    """

    since: str = ""
    answers: dict[int, list[int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Answers that were there when last looked."""
        return sum(map(len, self.answers.values()))


Seen = dict[str, ProjectSeen]


class AnswerPull:
    """One pull. Iterating gives the answers; afterwards `seen` and `notes` are complete.

    Args:
        client: where from.
        project_name: of the review.
        seen: what earlier pulls saw (`read_seen`); None reads everything. It is not changed: keep `self.seen` once the
            answers are stored, and a pull that is cut off is simply done again.

    Attributes:
        seen: what has been seen now, by project key.
        notes: what people should know, in words.
        read_count: tasks read.

    Raises:
        BadInput: there is no such review, or the key may not read it.
        Unavailable: the server does not answer.
    """

    def __init__(self, client: StudioClient, project_name: str, seen: Seen | None = None) -> None:
        self._client, self._name, self._before = client, project_name, seen or {}
        self.seen: Seen = {}
        self.notes: list[str] = []
        self.read_count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The answers of every task that changed, one dict each.

        Keys: annotation_id, task_id, candidate_id, round, user_id, user_email (empty where this key may not list
        users), result (as Label Studio has it), seconds, created_at, updated_at.
        """
        projects = list_projects(self._client, self._name)
        self._note_gone({one.key for one in projects})
        if not projects:
            raise BadInput(
                f"{self._client.url} has no review named '{self._name}'; push its tasks first. If it was there: it was "
                "deleted, this user cannot see it, or the first line of its description was changed."
            )
        emails = _emails(self._client)
        for project in projects:
            for task, annotation in self._changed(project):
                yield _answer(task, annotation, project.round, emails)

    def _note_gone(self, there: set[str]) -> None:
        for key in set(self._before) - there:
            self.seen[key] = self._before[key]
            self.notes.append(
                f"project {key.partition('@')[0]} with {say_count(self._before[key].count, 'answer')} is gone: "
                "deleted, its mark removed from its description, or hidden from this user. The answers pulled before "
                "are kept."
            )

    def _changed(self, project: ReviewProject) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        about = self._client.request("GET", f"/api/projects/{project.id}")
        trouble = page_trouble(about)
        if trouble:
            self.notes.append(
                f"somebody changed the labelling config of project {project.id}: {trouble}. Answers given since may "
                "read as 'unsure'; `relaionet review push --restore-page` puts it back."
            )
        before = self._before.get(project.key, ProjectSeen())
        now = ProjectSeen(since=before.since, answers=dict(before.answers))
        gone: set[int] = set()
        for way in _WAYS[before.since != ""]:
            complete = way == "all"
            where = _where(way, now.since)
            if complete:
                gone |= {one for answers in now.answers.values() for one in answers}
                now.answers = {}
            for task in iterate_tasks(self._client, project.id, _FIELDS, where=where, answers=True):
                self.read_count += 1
                given = _submitted(task)
                ids = [int(one["id"]) for one in given]
                gone = (gone | set(now.answers.pop(int(task["id"]), []))) - set(ids)
                if ids:
                    now.answers[int(task["id"])] = ids
                now.since = max(now.since, str(task.get("updated_at") or ""))
                for annotation in given:
                    yield task, annotation
            if complete or now.count == self._count(project):
                break
        if gone:
            answers = say_count(len(gone), "answer pulled before is", "answers pulled before are")
            self.notes.append(
                f"{answers} gone from project {project.id} (deleted there, or the tasks were). What was pulled is kept "
                "and still counts."
            )
        self.seen[project.key] = now

    def _count(self, project: ReviewProject) -> int:
        about = self._client.request("GET", f"/api/projects/{project.id}")
        return int(about.get("total_annotations_number") or 0)


def _submitted(task: dict[str, Any]) -> list[dict[str, Any]]:
    """A task's answers that were submitted and not cancelled."""
    answers = task.get("annotations") or []
    lacking = set(_ANSWER_FIELDS) - set(answers[0]) if answers else set()
    if lacking:
        raise BadInput(f"the server tells answers without {', '.join(sorted(lacking))}; this version of it is unknown.")
    return [one for one in answers if not one["was_cancelled"]]


def _where(way: str, since: str) -> dict[str, tuple[str, str, Any]]:
    """Which tasks to read, as a data manager filter."""
    if way == "changed" and since:
        start = datetime.fromisoformat(since).astimezone(UTC) - _MARGIN
        return {"updated_at": ("greater_or_equal", "Datetime", f"{start:%Y-%m-%dT%H:%M:%S.%fZ}")}
    # a count kept beside each task: mostly right, and spares reading what nobody has answered
    return {"total_annotations": ("greater", "Number", 0)} if way == "counted" else {}


def pull_annotations(client: StudioClient, project_name: str) -> list[dict[str, Any]]:
    """Every annotator's every submitted answer, of all rounds; never a prediction, a draft or a cancelled answer.

    Returns:
        One dict per answer, see `AnswerPull`, by annotation_id.

    Raises:
        BadInput: there is no such review, or the key may not read it.
        Unavailable: the server does not answer.
    """
    answers = {(one["task_id"], one["annotation_id"]): one for one in AnswerPull(client, project_name)}
    return sorted(answers.values(), key=lambda answer: int(answer["annotation_id"]))


def write_seen(seen: Seen) -> dict[str, Any]:
    """`Seen` as JSON."""
    return {
        key: {"since": one.since, "answers": {str(k): v for k, v in one.answers.items()}} for key, one in seen.items()
    }


def read_seen(value: Mapping[str, Any]) -> Seen:
    """`Seen` from JSON; what is malformed counts as never seen, so that everything is read again."""
    seen: Seen = {}
    for key, one in value.items():
        try:
            answers = {int(task): [int(number) for number in numbers] for task, numbers in one["answers"].items()}
            datetime.fromisoformat(one["since"])
            seen[key] = ProjectSeen(since=one["since"], answers=answers)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return seen


def _answer(
    task: dict[str, Any], annotation: dict[str, Any], round_number: int, emails: Mapping[int, str]
) -> dict[str, Any]:
    by = annotation.get("completed_by")
    user = int((by.get("id") if isinstance(by, dict) else by) or 0)
    data = task.get("data") or {}
    return {
        "annotation_id": int(annotation["id"]),
        "task_id": int(task["id"]),
        "candidate_id": data.get("candidate_id"),
        "round": int(data.get("round") or round_number),
        "user_id": user,
        "user_email": emails.get(user, ""),
        "result": annotation.get("result") or [],
        "seconds": annotation.get("lead_time"),
        "created_at": annotation.get("created_at"),
        "updated_at": annotation.get("updated_at") or annotation.get("created_at"),
    }


def _emails(client: StudioClient) -> dict[int, str]:
    try:
        return {int(user["id"]): str(user.get("email") or "") for user in client.request("GET", "/api/users")}
    except BadInput:
        return {}

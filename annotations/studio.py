"""Label Studio's API: push tasks, pull everybody's answers. The only module that knows label_studio_sdk.

Answers are read as raw JSON, not as the SDK's objects: those reject fields that a newer server adds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from relaionet.annotations.images import place_images
from relaionet.annotations.projects import find_pictures, find_projects, make_project, read_tasks
from relaionet.annotations.tasks import TasksConfig, task_data
from relaionet.manifests.errors import BadInput, ReLAIONetError, Unavailable
from relaionet.manifests.tables import TASKS, shape_table

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

VERSION = "1"
OLDEST = (1, 13)


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """How tasks are pushed.

    Attributes:
        overlap: independent answers asked for per task.
        batch_count: tasks per request.
        uploads_count: images per request, where they are uploaded.
        documents: folder of the server's local-file storage as seen from here (`StudioServer.documents`); None
            uploads the images instead, which works with any server.
        tasks: how a task is shown.
    """

    overlap: int = 3
    batch_count: int = 500
    uploads_count: int = 50
    documents: Path | None = None
    tasks: TasksConfig = field(default_factory=TasksConfig)


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """What a push did.

    Attributes:
        pushed_count: tasks added by this call.
        already_there_count: tasks of the table that the server had before.
        projects: round -> id of its Label Studio project.
    """

    pushed_count: int
    already_there_count: int
    projects: Mapping[int, int]


class StudioClient:
    """A connection to one Label Studio under one key; made by `connect_studio`."""

    def __init__(self, url: str, sdk: LabelStudio) -> None:
        self.url = url
        self._sdk = sdk

    def request(self, method: str, path: str, **about: Any) -> Any:
        """One request; its JSON, or None where the answer has no body.

        Raises:
            BadInput: the key is refused or lacks a permission, or the request is refused as wrong.
            Unavailable: no answer, or the server failed.
        """
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            # the SDK's own client keeps a personal access token fresh
            answer = self._sdk._client_wrapper.httpx_client.request(
                path, method=method, request_options={"max_retries": 3}, **about
            )
        except ApiError as error:
            raise _explain(self.url, path, error.status_code or 0, str(error.body)) from None
        except httpx.HTTPError as error:
            raise Unavailable(
                f"{self.url} does not answer ({type(error).__name__}: {error}). Is Label Studio running? "
                "`relaionet review serve` starts one."
            ) from None
        if answer.status_code >= 400:
            raise _explain(self.url, path, answer.status_code, answer.text)
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise BadInput(f"{self.url}{path} answers, but not as Label Studio does; check the address.") from None


def _explain(url: str, path: str, status: int, text: str) -> ReLAIONetError:
    detail = _detail(text)
    if status == 401:
        return BadInput(
            f"{url} refuses the key: it is wrong, expired or its kind is switched off. Take a new one from "
            "Account & Settings in Label Studio (a personal access token or a legacy token) and set "
            f"LABEL_STUDIO_API_KEY. It said: {detail}"
        )
    if status == 403:
        return BadInput(f"{url}: this key may not use {path}; ask an administrator of the server for access. {detail}")
    if status == 404:
        return BadInput(f"{url} has no {path}: it was deleted, or this user cannot see it. {detail}")
    if status in (408, 409, 429) or status >= 500 or status == 0:
        return Unavailable(f"{url}{path} failed with {status}; the same call may work later. {detail}")
    return BadInput(f"{url}{path} was refused with {status}: {detail}")


def _detail(text: str) -> str:
    """What Label Studio says went wrong, without the frame it says it in."""
    try:
        body = json.loads(text)
        said = body.get("validation_errors") or body.get("detail") or body
    except (ValueError, AttributeError):
        said = text
    return " ".join(str(said).split())[:300]


def connect_studio(url: str, key: str, *, timeout_s: float = 120) -> StudioClient:
    """Connect to a Label Studio and check address, age and key.

    Args:
        url: its address, `http(s)://host[:port][/path]`.
        key: legacy token or personal access token of the user to act as; a secret.
        timeout_s: for one request, in seconds.

    Returns:
        A client.

    Raises:
        BadInput: the address or key is wrong, or the server is older than 1.13.
        Unavailable: nothing answers there.
    """
    import httpx
    from label_studio_sdk import LabelStudio
    from label_studio_sdk.core.api_error import ApiError

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"'{url}' is no address of a Label Studio; it looks like http://127.0.0.1:8080.")
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise BadInput("the key for Label Studio is empty or malformed; set LABEL_STUDIO_API_KEY.")
    url = url.rstrip("/")
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    http = httpx.Client(
        timeout=timeout_s,
        follow_redirects=True,
        trust_env=not local,
        # its built-in web server answers a kept connection 40 ms later than a new one
        headers={"Connection": "close"} if local else {},
    )
    try:
        client = StudioClient(url, LabelStudio(base_url=url, api_key=key, httpx_client=http))
    except ApiError as error:
        raise _explain(url, "/", error.status_code or 401, str(error.body)) from None
    _check_age(url, http)
    client.request("GET", "/api/current-user/whoami")
    return client


def _check_age(url: str, http: Any) -> None:
    import httpx

    try:
        release = str(http.get(f"{url}/api/version").json()["release"])
    except httpx.HTTPError as error:
        raise Unavailable(
            f"nothing answers at {url} ({type(error).__name__}). Is Label Studio running? "
            "`relaionet review serve` starts one."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{url} answers, but is no Label Studio; check the address.") from None
    found = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if found < OLDEST:
        raise BadInput(f"{url} is Label Studio {release}; 1.13 or later is needed.")


def push_tasks(
    client: StudioClient, project_name: str, tasks: pl.DataFrame, images: Path, page: str,
    config: PushConfig | None = None, *, control_images: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> PushResult:  # fmt: skip
    """Add the tasks that are not there yet; calling it again adds nothing, whatever the first call came to.

    Args:
        client: where to.
        project_name: of the review; each round becomes a project of its own.
        tasks: TASKS, any rounds.
        images: folder that the rows' `image_path` is relative to.
        page: labelling config, from `interface.label_config`.
        config: how.
        control_images: the same for controls; None takes `images`.
        progress: told how many tasks are done, each time some are.

    Returns:
        What was added and what was there.

    Raises:
        BadInput: a picture is missing, or the server refuses project, storage or tasks.
        Unavailable: the server does not answer; calling again goes on.
    """
    config = config or PushConfig()
    tasks = shape_table(tasks, TASKS).sort("round", "position")
    projects = find_projects(client, project_name)
    pushed = there = 0
    for (round_number,), part in tasks.group_by("round", maintain_order=True):
        number = int(round_number)  # type: ignore[call-overload]
        if number not in projects:
            projects[number] = make_project(client, project_name, number, page, config.overlap)
        place = projects[number] if config.documents is not None else find_pictures(client, project_name)
        known = {task["data"].get("candidate_id") for task in read_tasks(client, projects[number])}
        new = part.filter(~pl.col("candidate_id").is_in(list(known - {None})))
        there += part.height - new.height
        if progress and there:
            progress(part.height - new.height)
        for batch in new.iter_slices(config.batch_count):
            rows = batch.to_dicts()
            files = {
                row["candidate_id"]: (control_images or images if row["is_control"] else images, row["image_path"])
                for row in rows
            }
            addresses = place_images(client, place, files, config.documents, config.uploads_count)
            data = [{"data": {**task_data(row, config.tasks), "image": addresses[row["candidate_id"]]}} for row in rows]
            client.request("POST", f"/api/projects/{projects[number]}/import", json=data)
            pushed += len(rows)
            if progress:
                progress(len(rows))
    return PushResult(pushed_count=pushed, already_there_count=there, projects=projects)


def pull_annotations(client: StudioClient, project_name: str) -> list[dict[str, Any]]:
    """Every annotator's every submitted answer, of all rounds; never a prediction, a draft or a cancelled answer.

    Returns:
        One dict per answer: annotation_id, task_id, candidate_id, round, user_id, user_email (empty where this key may
        not list users), result (as Label Studio has it), seconds, created_at, updated_at.

    Raises:
        BadInput: there is no such review, or the key may not read it.
        Unavailable: the server does not answer.
    """
    projects = find_projects(client, project_name)
    if not projects:
        raise BadInput(f"{client.url} has no review named '{project_name}'; push its tasks first.")
    emails = _emails(client)
    answers = []
    for round_number, project in projects.items():
        params = {"exportType": "JSON", "download_all_tasks": "false", "download_resources": "false"}
        for task in client.request("GET", f"/api/projects/{project}/export", params=params):
            for annotation in task.get("annotations") or []:
                if annotation.get("was_cancelled"):
                    continue
                answers.append(_answer(task, annotation, round_number, emails))
    return sorted(answers, key=lambda answer: int(answer["annotation_id"]))


def _answer(
    task: dict[str, Any], annotation: dict[str, Any], round_number: int, emails: Mapping[int, str]
) -> dict[str, Any]:
    by = annotation.get("completed_by")
    user = int((by.get("id") if isinstance(by, dict) else by) or 0)
    return {
        "annotation_id": int(annotation["id"]),
        "task_id": int(task["id"]),
        "candidate_id": (task.get("data") or {}).get("candidate_id"),
        "round": int((task.get("data") or {}).get("round") or round_number),
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

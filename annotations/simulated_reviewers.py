"""Simulated reviewers for the miniature: they answer through Label Studio's own API, as people's browsers do.

They sign up by the server's invitation link, each works under a token of its own, and each is called `simulated-…`
wherever it appears. What they answer depends on the truth they are given, on the reviewer and on the picture alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from relaionet.annotations.agreement.decisions import SIMULATED
from relaionet.annotations.label_studio.accounts import sign_up
from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.projects import ReviewProject, list_projects, read_tasks
from relaionet.annotations.label_studio.pull import pull_annotations
from relaionet.annotations.tasks.page import ANSWER, OTHER_CLASS, SHOWN_CLASSES, SHOWN_OTHERS
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.labels import labels_by_wnid

VERSION = "1"
_TRIES = 4
_Work = tuple[str, int, dict[str, Any]]  # reviewer, task id, task data
Truth = str | Sequence[str] | None
"""A wnid, the wnids of a picture that shows several classes, why there is none, or nothing known."""


@dataclass(frozen=True, kw_only=True)
class ReviewersConfig:
    """Who the simulated reviewers are.

    Attributes:
        accuracies: of each reviewer, probability of a right answer, 0 to 1; as many reviewers as numbers.
        seed: of their mistakes and of who answers what.
        threads: requests under way at once.
    """

    accuracies: Sequence[float] = (0.97, 0.95, 0.90)
    seed: int = 0
    threads: int = 3


def _unit(*parts: object) -> float:
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def simulate_answer(
    data: Mapping[str, Any], truth: Truth, reviewer: str, accuracy: float, seed: int
) -> tuple[list[dict[str, Any]], float]:
    """One simulated answer to one task.

    A mistake is of the kind people make: `yes` to a wrong class, or a runner-up or `unsure` instead of `yes`; where
    there are several classes, only the one asked about, or `several` without naming them.

    Args:
        data: of the task, as pushed.
        truth: the true wnid, or the wnids of a picture that shows several, or several, drawing, unsafe, broken or none;
            None answers unsure.
        reviewer: its name.
        accuracy: 0 to 1.
        seed: of the mistakes.

    Returns:
        (Label Studio result, seconds spent).
    """
    one = data["candidate_id"]
    answers = [truth or "unsure"] if truth is None or isinstance(truth, str) else sorted(set(truth))
    near = [str(choice["alias"]) for choice in data.get("runner_ups", [])]
    if _unit(seed, reviewer, one, "right") >= accuracy:
        wrong = [data["wnid"]]
        if data["wnid"] in answers:
            wrong = [*near[:2], "unsure", "several"] if len(answers) == 1 else [data["wnid"], "several"]
        answers = [wrong[int(_unit(seed, reviewer, one, "which") * len(wrong))]]
    return _results(answers, data, near), round(1.5 + 4.5 * _unit(seed, reviewer, one, "seconds"), 2)


def _results(answers: Sequence[str], data: Mapping[str, Any], near: Sequence[str]) -> list[dict[str, Any]]:
    """What the page would send: one answer, or several classes, ticked where offered and else found by search."""
    if len(answers) > 1:
        offered = [str(choice["alias"]) for choice in data.get("shown_classes", [])]
        ticked = [wnid for wnid in answers if wnid in offered]
        searched = [[wnid] for wnid in answers if wnid not in offered]
        some = [_result("choices", ANSWER, "choices", ["several"])]
        if ticked:
            some.append(_result("choices", SHOWN_CLASSES, "choices", ticked))
        if searched:
            some.append(_result("taxonomy", SHOWN_OTHERS, "taxonomy", searched))
        return some
    answer = answers[0]
    if answer in labels_by_wnid() and answer != data["wnid"] and answer not in near:
        return [
            _result("choices", ANSWER, "choices", ["other"]), _result("taxonomy", OTHER_CLASS, "taxonomy", [[answer]])
        ]  # fmt: skip
    return [_result("choices", ANSWER, "choices", ["yes" if answer == data["wnid"] else answer])]


def _result(kind: str, name: str, field: str, value: list[Any]) -> dict[str, Any]:
    return {"type": kind, "from_name": name, "to_name": "image", "value": {field: value}}


def join_reviewer(client: StudioClient, admin_token: str, name: str) -> str:
    """Sign up (or log in) a simulated reviewer by the server's invitation link.

    Args:
        client: of an administrator.
        admin_token: a secret the reviewer's password is derived from, so that a second run finds him again.
        name: `simulated-…`.

    Returns:
        His API token.

    Raises:
        BadInput: the server does not take him.
        Unavailable: the server does not answer.
    """
    email = f"{name}@localhost"
    password = hmac.new(admin_token.encode(), email.encode(), hashlib.sha256).hexdigest()[:24]
    return sign_up(client, email, password)


def answer_tasks(
    url: str, admin_token: str, project_name: str, truth: Mapping[str, Truth], *,
    config: ReviewersConfig | None = None, overlap: int = 3, progress: Callable[[int], None] | None = None,
) -> int:  # fmt: skip
    """Let the simulated reviewers answer what is still open; a second call goes on where the first ended.

    Every task gets `overlap` answers of different reviewers; a reviewer who answered a picture in an earlier round is
    not asked again while there are others.

    Args:
        url: of the server.
        admin_token: an administrator's token.
        project_name: of the review.
        truth: candidate_id -> as `simulate_answer` takes it; for controls too.
        config: who they are.
        overlap: answers wanted per task of the newest round; earlier rounds are left as they are.
        progress: told each time an answer is given.

    Returns:
        How many answers were given by this call.

    Raises:
        BadInput: there is no such review, or more answers are wanted than there are reviewers.
        Unavailable: the server does not answer.
    """
    config = config or ReviewersConfig()
    names = [f"{SIMULATED}{number}" for number in range(1, len(config.accuracies) + 1)]
    if overlap > len(names):
        raise BadInput(f"{overlap} answers per picture need {overlap} reviewers; there are {len(names)}.")
    admin = connect_studio(url, admin_token)
    projects = list_projects(admin, project_name)
    if not projects:
        raise BadInput(f"{url} has no review named '{project_name}'; push its tasks first.")
    newest = [one for one in projects if one.round == projects[-1].round]
    work = _open_work(admin, project_name, newest, names, overlap, config.seed)
    accuracies = dict(zip(names, config.accuracies, strict=True))
    clients = {
        name: connect_studio(url, join_reviewer(admin, admin_token, name))
        for name in sorted({item[0] for item in work})
    }

    def answer(item: _Work) -> None:
        name, task, data = item
        result, seconds = simulate_answer(
            data, truth.get(data["candidate_id"]), name, accuracies[name], config.seed
        )  # fmt: skip
        _post(clients[name], task, {"result": result, "lead_time": seconds})

    return _answer_all(work, answer, config.threads, progress)


def _answer_all(
    work: Sequence[_Work], answer: Callable[[_Work], None], threads: int, progress: Callable[[int], None] | None
) -> int:
    """Give all answers, several at once; after an error or Ctrl-C no further one is begun."""
    stop = threading.Event()

    def unless_stopped(item: _Work) -> bool:
        if stop.is_set():
            return False
        answer(item)
        return True

    done = 0
    with ThreadPoolExecutor(threads) as pool:
        try:
            for given in pool.map(unless_stopped, work):
                done += given
                if progress and given:
                    progress(1)
        finally:
            stop.set()
    return done


def _post(client: StudioClient, task: int, body: dict[str, Any]) -> None:
    """Give one answer; SQLite refuses a writer now and then while another one writes."""
    for left in reversed(range(_TRIES)):
        try:
            client.request("POST", f"/api/tasks/{task}/annotations/", json=body)
            return
        except Unavailable:
            if not left:
                raise


def _open_work(
    admin: StudioClient, project_name: str, projects: Sequence[ReviewProject], names: Sequence[str], overlap: int,
    seed: int,
) -> list[_Work]:  # fmt: skip
    """Who answers which task: (reviewer, task id, task data); first everybody's first turn, then the second, …."""
    by_task: dict[int, set[str]] = {}
    by_candidate: dict[str, set[str]] = {}
    for given in pull_annotations(admin, project_name):
        name = re.sub("@.*", "", given["user_email"])
        by_task.setdefault(given["task_id"], set()).add(name)
        by_candidate.setdefault(given["candidate_id"], set()).add(name)
    work: list[tuple[int, str, int, dict[str, Any]]] = []
    for project in projects:
        for task in read_tasks(admin, project.id):
            one = task["data"]["candidate_id"]
            here = by_task.get(int(task["id"]), set())
            open_to = [name for name in names if name not in here]
            order = sorted(open_to, key=lambda name: (name in by_candidate.get(one, set()), _unit(seed, name, one)))
            for turn, name in enumerate(order[: max(0, min(overlap, project.wanted) - len(here))]):
                work.append((turn, name, int(task["id"]), task["data"]))
    # two answers to one task at once make the server miscount them
    return [item[1:] for item in sorted(work, key=lambda item: item[0])]

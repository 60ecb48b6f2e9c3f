"""Answers as Label Studio gives them -> the decisions table: append-only, under pseudonyms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from relaionet.annotations.tasks.page import ANSWER, CHOICES, OTHER_CLASS, SHOWN_CLASSES, SHOWN_OTHERS
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.tables import DECISIONS, TASKS, shape_table

VERSION = "1"
SIMULATED = "simulated-"


def pseudonym(user_id: int, email: str = "", salt: str = "") -> str:
    """Stable name of a reviewer that is not his own; simulated reviewers keep theirs, so that nobody mistakes them.

    Args:
        user_id: Label Studio's id of the user.
        email: his login, used only to recognise simulated reviewers.
        salt: of the review, so that one person has different names in different reviews.

    Returns:
        `simulated-<n>`, or `r-` and ten hexadecimal digits.
    """
    name = email.partition("@")[0]
    if name.startswith(SIMULATED):
        return name
    return "r-" + hashlib.sha256(f"{salt}|{user_id}".encode()).hexdigest()[:10]


class Answer(NamedTuple):
    """What a reviewer answered.

    Attributes:
        choice: one of `CHOICES`.
        other_wnid: the class named in place of the proposed one, where the choice is `other`.
    """

    choice: str
    other_wnid: str | None = None


def read_answer(result: Sequence[Mapping[str, Any]], proposed_wnid: str) -> Answer:
    """What one annotation's result says.

    A runner-up class and a class found by search both are `other`; naming the proposed class again is `yes`; a result
    that says nothing known is `unsure`.

    Args:
        result: Label Studio's list of results.
        proposed_wnid: class the task asks about.

    Returns:
        The choice, and the other class where one is named.
    """
    given = _chosen(result)
    choice = str(given.get(ANSWER, [""])[0])
    wnid = None
    if choice in labels_by_wnid():
        choice, wnid = "other", choice
    elif choice == "other":
        wnid = next(iter(_known(given.get(OTHER_CLASS, [])[:1])), None)
    if choice not in CHOICES or (choice == "other" and wnid is None):
        return Answer("unsure")
    return Answer("yes") if wnid == proposed_wnid else Answer(choice, wnid)


def read_classes(result: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The classes one annotation's result says a picture shows at once.

    Args:
        result: Label Studio's list of results.

    Returns:
        wnids in class order, those ticked and those found by search; None where the answer is not `several`, or names
        none of them.
    """
    given = _chosen(result)
    if given.get(ANSWER, [""])[0] != "several":
        return None
    return sorted({*_known(given.get(SHOWN_CLASSES, [])), *_known(given.get(SHOWN_OTHERS, []))}) or None


def _chosen(result: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Name of a part of the page -> what was chosen there."""
    given: dict[str, list[Any]] = {}
    for item in result:
        value = item.get("value") if isinstance(item, Mapping) else None
        if isinstance(value, Mapping):
            found = value.get("choices") or value.get("taxonomy")
            if isinstance(found, list) and found:
                given[str(item.get("from_name"))] = found
    return given


def _known(values: Sequence[Any]) -> list[str]:
    """The classes among chosen values; of a path through a tree of classes its end."""
    ends = (value[-1] if isinstance(value, list) and value else value for value in values)
    return [end for end in ends if isinstance(end, str) and end in labels_by_wnid()]


def _time(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def read_decisions(
    raw: Iterable[Mapping[str, Any]], tasks: pl.DataFrame, known: pl.DataFrame | None = None, *, salt: str = ""
) -> pl.DataFrame:
    """Add what is new among pulled answers to the decisions known so far.

    Nothing known is ever changed or removed: an answer that was changed since is a further row with the same
    annotation_id and a later time. Answers to tasks that are not in `tasks` are left out.

    Args:
        raw: from `answer_pull.AnswerPull`; read once, one answer at a time, and an answer may come twice.
        tasks: TASKS of all rounds so far.
        known: DECISIONS so far.
        salt: of the pseudonyms; see `pseudonym`.

    Returns:
        DECISIONS, the known rows first, then the new ones by time and annotation_id.
    """
    known = known if known is not None else DECISIONS.empty()
    proposed = {
        (one, number): wnid
        for one, number, wnid in shape_table(tasks, TASKS).select("candidate_id", "round", "proposed_wnid").iter_rows()
    }
    # with the task, as a server that was made anew counts its answers from 1 again
    last = {tuple(key): (tuple(said), at) for key, said, at in _spell_known(known)}
    new = []
    for answer in raw:
        key = (answer["candidate_id"], answer["round"])
        if key not in proposed:
            continue
        said = (*read_answer(answer["result"], proposed[key]), read_classes(answer["result"]))
        number, at = int(answer["annotation_id"]), _time(answer["updated_at"])
        before = last.get((number, *key))
        if before is not None:
            if before[0] == said:
                continue
            # whatever the server's clock did, the later answer is the later row
            at = max(at, before[1] + timedelta(microseconds=1))
        last[number, *key] = (said, at)
        new.append(
            {
                "candidate_id": key[0], "round": key[1], "choice": said[0], "other_wnid": said[1], "wnids": said[2],
                "reviewer": pseudonym(int(answer["user_id"]), str(answer["user_email"]), salt),
                "seconds": float(answer["seconds"] or 0), "at": at, "annotation_id": number,
            }
        )  # fmt: skip
    added = pl.DataFrame(new, schema=dict(DECISIONS.schema)).sort("at", "annotation_id")
    return pl.concat([shape_table(known, DECISIONS), shape_table(added, DECISIONS)])


def _spell_known(known: pl.DataFrame) -> Iterator[tuple[list[Any], list[Any], datetime]]:
    """(annotation_id, candidate_id, round), (choice, other_wnid, wnids) and time of each answer, the oldest first."""
    columns = ("annotation_id", "candidate_id", "round", "choice", "other_wnid", "wnids", "at")
    for *about, at in shape_table(known, DECISIONS).sort("at").select(columns).iter_rows():
        yield about[:3], about[3:], at


def latest_decisions(decisions: pl.DataFrame) -> pl.DataFrame:
    """The latest answer of each reviewer to each candidate, by time, then annotation_id; by candidate and reviewer."""
    return (
        decisions.sort("at", "annotation_id")
        .unique(["candidate_id", "reviewer"], keep="last", maintain_order=True)
        .sort("candidate_id", "reviewer")
    )

import hashlib

import polars as pl
import pytest

from relaionet.annotations.agreement.decisions import (
    latest_decisions,
    pseudonym,
    read_answer,
    read_classes,
    read_decisions,
)
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.tables import DECISIONS, check_table

A, B, C = "n02012849", "n03126707", "n01440764"
ONE = hashlib.sha256(b"one").hexdigest()
TASKS = make_tasks(
    pl.DataFrame([{"candidate_id": ONE, "wnid": A, "top_wnids": [A, B], "path": "one.jpg", "caption": None}])
)


def choice(value):
    return {"type": "choices", "from_name": "answer", "to_name": "image", "value": {"choices": [value]}}


def found(*path):
    return {"type": "taxonomy", "from_name": "other_class", "to_name": "image", "value": {"taxonomy": [list(path)]}}


def raw(number, result, *, user=7, at="2026-01-01T10:00:00Z", **about):
    return {
        "annotation_id": number, "task_id": 1, "candidate_id": ONE, "round": 1, "user_id": user, "user_email": "a@b.c",
        "result": result, "seconds": 2.5, "created_at": at, "updated_at": at, **about,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([choice("yes")], ("yes", None)),
        ([choice("several")], ("several", None)),
        ([choice(B)], ("other", B)),
        ([choice(A)], ("yes", None)),
        ([choice("other"), found(C)], ("other", C)),
        ([choice("other"), found("animals", C)], ("other", C)),
        ([choice("other"), found(A)], ("yes", None)),
        ([choice("other"), found("nonsense")], ("unsure", None)),
        ([choice("other")], ("unsure", None)),
        ([choice("yes"), found(C)], ("yes", None)),
        ([choice("a newer answer")], ("unsure", None)),
        ([], ("unsure", None)),
        ([{"from_name": "answer", "value": {"choices": []}}, {"value": None}, {"odd": 1}], ("unsure", None)),
    ],
)
def test_answers_are_read(result, expected):
    assert read_answer(result, A) == expected


def several(*ticked, searched=()):
    """An answer that names several classes, as the page sends it."""
    parts = [choice("several")]
    if ticked:
        parts.append({"type": "choices", "from_name": "shown_classes", "value": {"choices": list(ticked)}})
    if searched:
        value = {"taxonomy": [["animals", one] for one in searched]}
        parts.append({"type": "taxonomy", "from_name": "shown_others", "value": value})
    return parts


@pytest.mark.parametrize(
    ("result", "wnids"),
    [
        (several(A, B), [A, B]),
        (several(B, A), [A, B]),
        (several(A, searched=(C,)), [C, A]),
        (several(searched=(C, B, C)), [C, B]),
        (several(A), [A]),
        (several(), None),
        (several("nonsense", searched=("n0", 7)), None),
        (several(A, A, "nonsense"), [A]),
        # what was ticked before another answer was chosen counts for nothing
        ([choice("yes"), *several(A, B)[1:]], None),
        ([choice("other"), found(C), *several(A, B)[1:]], None),
        (several(A, B)[1:], None),
        (
            [{"from_name": "answer", "value": {"choices": ["several"]}}, {"from_name": "shown_classes", "value": 3}],
            None,
        ),
        ([], None),
    ],
)
def test_several_classes_are_read(result, wnids):
    assert read_classes(result) == (sorted(wnids) if wnids else None)
    if result and result[0].get("value", {}).get("choices") == ["several"]:
        assert read_answer(result, A) == ("several", None)


def test_another_set_of_classes_is_another_answer():
    first = check_table(read_decisions([raw(1, several(A, B))], TASKS), DECISIONS)
    assert first["wnids"].to_list() == [sorted([A, B])]
    assert read_decisions([raw(1, several(B, A))], TASKS, first).equals(first)
    second = read_decisions([raw(1, several(A, C))], TASKS, first)
    assert second["wnids"].to_list() == [sorted([A, B]), sorted([A, C])]
    assert latest_decisions(second)["wnids"].to_list() == [sorted([A, C])]
    # decisions of an earlier version know no sets
    older = read_decisions([raw(1, several())], TASKS).drop("wnids")
    assert read_decisions([raw(1, several())], TASKS, older)["wnids"].to_list() == [None]
    assert read_decisions([raw(1, several(A, B))], TASKS, older).height == 2


def test_second_pull_adds_nothing_and_a_changed_answer_is_a_new_row():
    first = read_decisions([raw(1, [choice("yes")]), raw(2, [choice("unsure")], user=8)], TASKS)
    assert check_table(first, DECISIONS).height == 2
    assert read_decisions([raw(2, [choice("unsure")], user=8), raw(1, [choice("yes")])], TASKS, first).equals(first)
    # the server may touch the time without the answer having changed
    touched = raw(1, [choice("yes")], at="2026-01-01T11:00:00Z")
    assert read_decisions([touched], TASKS, first).equals(first)
    changed = [raw(1, [choice("broken")], at="2026-01-01T12:00:00+02:00"), raw(2, [choice("unsure")], user=8)]
    second = check_table(read_decisions(changed, TASKS, first), DECISIONS)
    assert second.height == 3
    assert second[:2].equals(first)
    # 12:00 at +02:00 is 10:00 UTC, no later than the first answer: still the one seen last counts
    assert latest_decisions(second).sort("annotation_id")["choice"].to_list() == ["broken", "unsure"]
    assert read_decisions(changed, TASKS, second).equals(second)
    back = read_decisions([raw(1, [choice("yes")], at="2026-01-01T12:00:00Z")], TASKS, second)
    assert latest_decisions(back).sort("annotation_id")["choice"].to_list() == ["yes", "unsure"]


def test_a_deleted_answer_stays_in_the_table():
    first = read_decisions([raw(1, [choice("yes")])], TASKS)
    assert read_decisions([], TASKS, first).equals(first)


def test_answers_to_other_tasks_are_left_out():
    assert read_decisions([raw(1, [choice("yes")], candidate_id="f" * 64)], TASKS).height == 0
    assert read_decisions([raw(1, [choice("yes")], round=2)], TASKS).height == 0
    assert read_decisions([raw(1, [choice("yes")], candidate_id=None)], TASKS).height == 0


def test_missing_time_and_seconds_are_survived():
    rows = read_decisions([raw(1, [choice("yes")], updated_at=None, seconds=None)], TASKS)
    assert rows["seconds"].to_list() == [0.0]


def test_pseudonyms_are_stable_and_tell_nothing():
    assert pseudonym(7, "jo@example.org") == pseudonym(7, "other@example.org")
    assert pseudonym(7) != pseudonym(8)
    assert pseudonym(7, salt="x") != pseudonym(7, salt="y")
    assert "jo" not in pseudonym(7, "jo@example.org")
    assert pseudonym(7, "simulated-2@localhost") == "simulated-2"

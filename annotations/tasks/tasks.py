"""Rows to look at, shuffled, with hidden controls among them that nobody can tell apart.

A control is a picture whose class is known. Half of the controls are asked about with their own class, the others with
a class they are not, so that neither "always yes" nor "always no" passes. A control has the same kind of id, file name,
caption and runner-ups as any other row. One that shows several classes is asked about with one of them, or with a class
that is none of them; an answer that names all it shows is right, as is `yes` to the one it is asked about.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from relaionet.annotations.tasks.page import (
    InterfaceConfig,
    class_words,
    hint_line,
    runner_up_choices,
    shown_choices,
)
from relaionet.manifests.errors import BadInput
from relaionet.manifests.escape import one_line
from relaionet.manifests.files import HEX_64
from relaionet.manifests.labels import find_label
from relaionet.manifests.tables import TASKS, shape_table

VERSION = "2"


@dataclass(frozen=True, kw_only=True)
class TasksConfig:
    """How tasks are made.

    Attributes:
        seed: of the shuffling and of the choice of controls.
        controls_frac: controls mixed in, as a fraction of the rows, 0 to 1; never more than there are.
        wrong_frac: fraction of the controls asked about with a class they are not, 0 to 1.
        runner_ups_count: runner-up classes offered by a key, 0 to 4.
        caption_chars: characters of a caption shown at most.
        order: `shuffled`, or `doubtful` for the most doubtful rows first, where a review may end early.
        block_count: by `doubtful`, rows that stand together and are shuffled among themselves, so that a row's place
            tells nobody how sure the encoder was of it.
    """

    seed: int = 0
    controls_frac: float = 0.1
    wrong_frac: float = 0.5
    runner_ups_count: int = 3
    caption_chars: int = 300
    order: Literal["shuffled", "doubtful"] = "shuffled"
    block_count: int = 50

    def __post_init__(self) -> None:
        if self.block_count < 1:
            raise BadInput(f"tasks: block_count is {self.block_count}; expected at least 1.")


def _unit(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _order(ids: Sequence[str], *parts: object) -> list[str]:
    return sorted(ids, key=lambda one: (_unit(*parts, one), one))


def _check_rows(rows: pl.DataFrame, needed: Sequence[str], what: str) -> None:
    missing = [name for name in needed if name not in rows.columns]
    if missing:
        raise BadInput(f"{what}: missing column {', '.join(missing)}; found {', '.join(rows.columns)}.")
    ids = rows["candidate_id"].to_list()
    bad = [value for value in ids if not (isinstance(value, str) and re.fullmatch(HEX_64, value))]
    if bad:
        raise BadInput(f"{what}: candidate_id {bad[0]!r} is not 64 hexadecimal digits.")
    if rows["candidate_id"].is_duplicated().any():
        raise BadInput(f"{what}: a candidate_id stands twice; every row is asked about once per round.")


def make_tasks(
    rows: pl.DataFrame, controls: pl.DataFrame | None = None, *, round_number: int = 1, overlap: int = 3,
    config: TasksConfig | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Make the tasks of one review round.

    The result depends on the set of rows, the round and the seed, not on the order the rows come in.

    Args:
        rows: candidate_id, wnid (proposed), top_wnids (list, best first), path (image file), caption; optional
            answers_wanted_count (at least 1), place (of the rows by doubt, for the order `doubtful`) and remark (what
            reviewers are told of the picture).
        controls: candidate_id, wnid (its true class), path; optional proposed_wnid (made when missing or null),
            wnids (every class it shows, where they are several) and remark.
        round_number: from 1.
        overlap: answers wanted per task, where the row does not say.
        config: how.

    Returns:
        TASKS: all rows and the chosen controls, by position.

    Raises:
        BadInput: a column is missing, an id is malformed or stands twice, a wnid is unknown, or no answer is wanted.
    """
    config = config or TasksConfig()
    entries = _list_rows(rows, overlap)
    if controls is not None and controls.height:
        _check_rows(controls, ("candidate_id", "wnid", "path"), "controls")
        entries += _make_controls(entries, controls, round_number, overlap, config)
    for entry in entries:
        proposed = find_label(entry["proposed_wnid"]).wnid
        others = [wnid for wnid in dict.fromkeys(entry["runner_up_wnids"] or []) if wnid != proposed]
        entry["runner_up_wnids"] = others[: config.runner_ups_count]
    by_id = {entry["candidate_id"]: entry for entry in entries}
    if len(by_id) != len(entries):
        raise BadInput("a control has the candidate_id of a row to review; controls must be other pictures.")
    order = _place_entries(entries, rows, round_number, config)
    tasks = pl.DataFrame(
        [by_id[one] | {"round": round_number, "position": position} for position, one in enumerate(order)],
        schema=dict(TASKS.schema),
    )
    return shape_table(tasks, TASKS)


def keep_questions(made: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Tasks of the first round made anew while it is answered: what was asked stays as it was, the rest comes after.

    An answer says yes or no to the class its task asked about; were that another class now, it would say another thing.

    Args:
        made: TASKS of round 1, as they would be made now.
        asked: TASKS of all rounds, as they were when the first answers came.

    Returns:
        TASKS of round 1: of the pictures in `made`, and every control that was asked about.
    """
    first = asked.filter(pl.col("round") == 1)
    kept = first.join(made, on="candidate_id", how="semi")
    kept = pl.concat([kept, first.filter("is_control").join(kept, on="candidate_id", how="anti")]).sort("position")
    new = made.join(kept, on="candidate_id", how="anti").sort("position")
    return pl.concat([kept, new]).with_columns(position=pl.int_range(pl.len(), dtype=pl.Int32))


def _list_rows(rows: pl.DataFrame, overlap: int) -> list[dict[str, Any]]:
    """Rows to review as task entries, not placed yet."""
    _check_rows(rows, ("candidate_id", "wnid", "top_wnids", "path", "caption"), "rows to review")
    wanted = pl.col("answers_wanted_count") if "answers_wanted_count" in rows.columns else pl.lit(None, pl.Int32)
    remark = pl.col("remark") if "remark" in rows.columns else pl.lit(None, pl.String).alias("remark")
    made = rows.select(
        "candidate_id", pl.col("wnid").alias("proposed_wnid"), pl.col("top_wnids").alias("runner_up_wnids"),
        pl.lit(False).alias("is_control"), pl.lit(None, pl.String).alias("control_wnid"),
        pl.col("path").alias("image_path"), "caption", wanted.fill_null(overlap).alias("answers_wanted_count"), remark,
    )  # fmt: skip
    if (made["answers_wanted_count"] < 1).any():
        raise BadInput("rows to review: answers_wanted_count must be at least 1; leave out rows nobody is to look at.")
    return made.to_dicts()


def _place_entries(
    entries: Sequence[dict[str, Any]], rows: pl.DataFrame, round_number: int, config: TasksConfig
) -> list[str]:
    """candidate_ids in the order they are asked about; controls stand anywhere."""
    ids = [entry["candidate_id"] for entry in entries]
    if config.order == "shuffled" or "place" not in rows.columns:
        return _order(ids, "order", config.seed, round_number)
    ranked = rows.sort("place", "candidate_id")["candidate_id"].to_list()
    block = {one: rank // config.block_count for rank, one in enumerate(ranked)}
    count = len(ranked) // config.block_count + 1
    for one in ids:
        block.setdefault(one, int(_unit("block", config.seed, round_number, one) * count))
    return sorted(ids, key=lambda one: (block[one], _unit("order", config.seed, round_number, one), one))


def _make_controls(
    entries: list[dict[str, Any]], controls: pl.DataFrame, round_number: int, overlap: int, config: TasksConfig
) -> list[dict[str, Any]]:
    """Controls as task entries; caption, runner-ups and answers wanted are those of a row asked about one class."""
    count = min(controls.height, max(1, round(config.controls_frac * len(entries))) if config.controls_frac else 0)
    known = {row["candidate_id"]: row for row in controls.to_dicts()}
    chosen = _order(list(known), "controls", config.seed, round_number)[:count]
    wrong = set(chosen[: round(config.wrong_frac * count)])
    classes = sorted({entry["proposed_wnid"] for entry in entries} | {row["wnid"] for row in known.values()})
    made = []
    for one in chosen:
        row = known[one]
        shown = _order(list({row["wnid"], *(row.get("wnids") or [])}), "shown", config.seed, one)
        proposed = row.get("proposed_wnid")
        if not proposed:
            others = [wnid for wnid in classes if wnid not in shown]
            is_wrong = one in wrong and others
            proposed = _order(others, "wrong", config.seed, one)[0] if is_wrong else shown[0]
        true = proposed if proposed in shown else row["wnid"]
        further = [wnid for wnid in shown if wnid != true]
        like = _borrow(entries, proposed, one)
        near = [wnid for wnid in like.get("runner_up_wnids") or [] if wnid not in further]
        made.append(
            {
                "candidate_id": one, "proposed_wnid": proposed, "is_control": True, "control_wnid": true,
                "image_path": row["path"], "caption": row.get("caption") or like.get("caption"),
                "runner_up_wnids": [*(further if true == proposed else []),
                                    *_control_runner_ups(true, proposed, near, one)],
                "answers_wanted_count": like.get("answers_wanted_count", overlap), "remark": row.get("remark"),
            }
        )  # fmt: skip
    return made


def _borrow(entries: list[dict[str, Any]], proposed: str, control_id: str) -> dict[str, Any]:
    """The row whose caption and runner-ups a control shows: one with the same proposed class where there is one."""
    same = [entry for entry in entries if entry["proposed_wnid"] == proposed] or entries
    if not same:
        return {}
    by_id = {entry["candidate_id"]: entry for entry in same}
    return by_id[_order(list(by_id), "borrow", control_id)[0]]


def _control_runner_ups(true: str, proposed: str, borrowed: list[str], control_id: str) -> list[str]:
    """Borrowed runner-ups; with a wrong proposal the true class is mostly among them, as it is for other rows."""
    others = [wnid for wnid in dict.fromkeys(borrowed) if wnid not in (proposed, true)]
    if true == proposed or _unit("among", control_id) > 0.8:
        return others
    return [true, *others] if _unit("first", control_id) < 0.7 else [*others[:1], true, *others[1:]]


def task_data(row: dict[str, Any], config: TasksConfig | None = None) -> dict[str, Any]:
    """What Label Studio is given about one task: what people see, and the keys that lead back.

    It never says whether a task is a control, and names no file; `studio.push_tasks` adds the image's address.

    Args:
        row: one row of TASKS as a dict.
        config: how.

    Returns:
        candidate_id, round, position, wnid, proposed, gloss, hint, caption_line, runner_ups and shown_classes, ready
        for JSON.
    """
    config = config or TasksConfig()
    label = find_label(row["proposed_wnid"])
    caption = one_line(row["caption"] or "", config.caption_chars)
    runner_ups = [find_label(wnid) for wnid in row["runner_up_wnids"][: config.runner_ups_count]]
    remark = one_line(row.get("remark") or "", config.caption_chars)
    return {
        "candidate_id": row["candidate_id"],
        "round": row["round"],
        "position": row["position"],
        "wnid": label.wnid,
        "proposed": class_words(label),
        "gloss": label.gloss,
        "hint": " ".join(filter(None, (remark and f"{remark}.", hint_line(label)))),
        "caption_line": f"Caption: {caption}" if caption else "No caption",
        "runner_ups": runner_up_choices(runner_ups),
        "shown_classes": shown_choices(label, runner_ups),
    }


def interface_config(config: TasksConfig, *, references: bool = False) -> InterfaceConfig:
    """The page that goes with these tasks."""
    return InterfaceConfig(runner_ups_count=config.runner_ups_count, references=references)


def answered_tasks(tasks: pl.DataFrame, decisions: pl.DataFrame, overlap: int, overlap_again: int) -> pl.DataFrame:
    """The newest task of each picture, where it has all its answers; to ask about the others anew would ask twice.

    Args:
        tasks: TASKS of all rounds.
        decisions: DECISIONS of all rounds.
        overlap: answers a picture gets in round 1, where its task does not say.
        overlap_again: answers it gets in each later round, where its task does not say.

    Returns:
        TASKS rows, at most one per candidate.
    """
    given = decisions.group_by("candidate_id", "round").agg(given=pl.col("annotation_id").n_unique())
    usual = pl.when(pl.col("round") == 1).then(overlap).otherwise(overlap_again)
    wanted = pl.coalesce("answers_wanted_count", usual)
    newest = tasks.sort("round").unique("candidate_id", keep="last")
    return newest.join(given, on=["candidate_id", "round"]).filter(pl.col("given") >= wanted).drop("given")

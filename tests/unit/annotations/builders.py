"""Small made reviews: tasks, and decisions from short lists."""

import hashlib
from datetime import UTC, datetime, timedelta

import polars as pl

from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import DECISIONS, TASKS

A, B, C = (label.wnid for label in read_labels()[:3])


def key(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def make_tasks(count, controls=0, *, control_of=None, wanted=None):
    """`count` pictures and `controls` controls, all asked about as A; `control_of` says which controls are not A."""
    known = control_of or {}
    return pl.DataFrame(
        [
            {
                "candidate_id": key(i), "round": 1, "position": i, "proposed_wnid": A, "runner_up_wnids": [B],
                "is_control": i >= count, "control_wnid": known.get(i, A) if i >= count else None, "image_path": "x",
                "caption": None, "answers_wanted_count": wanted,
            }
            for i in range(count + controls)
        ],
        schema=dict(TASKS.schema),
    )  # fmt: skip


def choice_of(said):
    return "several" if isinstance(said, tuple) else "other" if said.startswith("n0") else said


def make_decisions(votes):
    """From [(candidate number, reviewer, choice, wnid or tuple of wnids shown at once)]; later ones are later."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        [
            {
                "candidate_id": key(i), "round": 1, "reviewer": who,
                "choice": choice_of(said), "other_wnid": said if choice_of(said) == "other" else None,
                "wnids": sorted(said) if isinstance(said, tuple) else None, "seconds": 2.0,
                "at": start + timedelta(seconds=number), "annotation_id": number,
            }
            for number, (i, who, said) in enumerate(votes)
        ],
        schema=dict(DECISIONS.schema),
    )  # fmt: skip

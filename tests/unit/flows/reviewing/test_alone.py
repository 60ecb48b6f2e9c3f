"""One reviewer alone: what he accepts is released, by the settings that the tutorial names; nothing is left then."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relaionet.annotations.agreement.settle import AgreementConfig
from relaionet.annotations.agreement.status import review_status
from relaionet.flows.reviewing.release import release_run
from relaionet.flows.reviewing.resettle import compare_labels
from relaionet.flows.reviewing.settings import read_review_settings
from relaionet.flows.reviewing.verdicts import settle_run
from relaionet.flows.terminal.review_status import status_lines
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.release import read_release
from relaionet.manifests.tables import DECISIONS, TASKS
from tests.unit.flows.reviewing.nothing_to_fit import curate_from_vectors, make_run

OTHER = "n01443537"
SAID = ("yes", "yes", "yes", OTHER, "none", "unsure")


def answer(one: str, said: str, number: int) -> dict[str, Any]:
    is_class = said.startswith("n0")
    return {
        "candidate_id": one, "round": 1, "reviewer": "r-1", "choice": "other" if is_class else said,
        "other_wnid": said if is_class else None, "wnids": None, "seconds": 2.0, "annotation_id": number,
        "at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=9 * number),
    }  # fmt: skip


@pytest.mark.parametrize("accepts", [True, False])
def test_what_one_reviewer_accepts_is_released(tmp_path: Path, accepts: bool) -> None:
    run, recipe, _ = make_run(tmp_path, 6, overlap=1, agreement=AgreementConfig(votes_needed=1))
    curate_from_vectors(run, recipe)
    tasks, settings = run.store.read_all(TASKS).sort("position"), read_review_settings(tmp_path)
    asked = dict(tasks.select("candidate_id", "proposed_wnid").iter_rows())
    said = dict(zip(asked, SAID if accepts else ("none",) * 5 + ("drawing",), strict=True))
    rows = [answer(*item, number) for number, item in enumerate(said.items())]
    run.store.write(pl.DataFrame(rows, schema=dict(DECISIONS.schema)), DECISIONS, "a")
    settle_run(run, settings.agreement)
    status = review_status(run.store.read_all(DECISIONS), tasks, settings.agreement)
    assert status["left"]["answers"] == 0, "he answered everything"
    told = "\n".join(status_lines(status, tmp_path))
    if not accepts:
        assert (status["accept"], status["reject"]) == (0, 6)
        with pytest.raises(BadInput, match="no row is accepted yet"):
            release_run(run, settings)
        return
    assert (status["accept"], status["reject"], status["again"]) == (4, 1, 1)
    assert re.search(r"left +0 answers", told)
    assert "push --again" in told, "one picture he could not tell"
    release = read_release(release_run(run, settings))
    released = dict(release.manifest.select("candidate_id", "wnid").iter_rows())
    assert released == {
        one: OTHER if vote == OTHER else asked[one] for one, vote in said.items() if vote in ("yes", OTHER)
    }
    # anybody settles the same from what the release ships
    assert compare_labels(release) == (4, [])

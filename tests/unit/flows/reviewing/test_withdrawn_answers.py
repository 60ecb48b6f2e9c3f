"""A withdrawal takes out rows and what is known of them, and changes no other label."""

from __future__ import annotations

import tarfile
from pathlib import Path

from relaionet.flows.reviewing.resettle import compare_labels
from relaionet.flows.versions import Withdrawal, run_withdraw
from relaionet.manifests.release.release import check_release

ARCHIVE = Path(__file__).parents[3] / "fixtures" / "made_by_57e12d1.tar.xz"


def test_the_other_labels_are_settled_as_before(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    before = check_release(tmp_path / "made" / "run" / "releases")
    assert before.decisions is not None
    assert compare_labels(before) == (before.manifest.height, [])
    out = before.manifest["candidate_id"][:5].to_list()
    after = check_release(run_withdraw(before.path, [Withdrawal("candidate_id", out)], why="asked for"))
    assert set(before.manifest["candidate_id"]) - set(after.manifest["candidate_id"]) == set(out)
    assert after.decisions is not None
    assert after.decisions.equals(before.decisions)
    # how reliable reviewers are rests on all answers, so every label that stays comes out as it was
    assert compare_labels(after) == (before.manifest.height - 5, [])

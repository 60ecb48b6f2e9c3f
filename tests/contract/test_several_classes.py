"""Several classes through a real Label Studio: pushed, named by simulated reviewers, pulled, settled as sets."""

import hashlib

import polars as pl
import pytest
from PIL import Image

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.agreement.settle import AgreementConfig, settle_votes
from relaionet.annotations.agreement.status import review_status
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.pull import AnswerPull, pull_annotations
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.simulated_reviewers import ReviewersConfig, answer_tasks
from relaionet.annotations.tasks.page import label_config
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.labels import read_labels

pytestmark = [pytest.mark.studio, pytest.mark.slow]

WNIDS = [label.wnid for label in read_labels()]
ASKED, NEAR, FAR = WNIDS[7], WNIDS[8], WNIDS[900]  # NEAR is offered by a key, FAR is found by search
TRUTH = [ASKED, (ASKED, NEAR), (ASKED, FAR), (NEAR, FAR), (ASKED, NEAR, FAR), "several", NEAR, "drawing"]


def test_sets_come_back_as_they_were_meant(studio, tmp_path):
    client, rows, truth = connect_studio(studio.url, studio.token), [], {}
    for place, shown in enumerate([*TRUTH, (ASKED, NEAR)]):
        Image.new("RGB", (40, 30), (20 * place, 90, 60)).save(tmp_path / f"{place}.png")
        one = hashlib.sha256(f"sets {place}".encode()).hexdigest()
        truth[one] = shown
        rows.append({"candidate_id": one, "wnid": ASKED, "top_wnids": [ASKED, NEAR], "path": f"{place}.png"})
    frame = pl.DataFrame(rows).with_columns(caption=pl.lit(None, pl.String))
    control = frame.tail(1).select("candidate_id", "wnid", "path").with_columns(wnids=pl.lit([ASKED, NEAR]))
    tasks = make_tasks(frame.head(len(TRUTH)), control, overlap=3)
    assert tasks.filter("is_control").height == 1
    push_tasks(
        client, "sets", tasks, tmp_path, label_config(read_labels()), PushConfig(documents=studio.documents, overlap=3)
    )
    sure = ReviewersConfig(accuracies=(1.0, 1.0, 1.0))
    assert answer_tasks(studio.url, studio.token, "sets", truth, config=sure, overlap=3) == 3 * tasks.height

    decisions = read_decisions(AnswerPull(client, "sets"), tasks)
    given = dict(decisions.select("candidate_id", "wnids").iter_rows())
    assert given == {one: sorted(some) if isinstance(some, tuple) else None for one, some in truth.items()}
    assert read_decisions(pull_annotations(client, "sets"), tasks, decisions).equals(decisions), "nothing is new"

    rules = AgreementConfig(several="accept")
    found = dict(settle_votes(decisions, tasks, rules).select("candidate_id", pl.struct("wnid", "wnids")).iter_rows())
    for one, some in list(truth.items())[: len(TRUTH)]:
        sets = sorted(some) if isinstance(some, tuple) else None
        label = (ASKED if ASKED in some else sets[0]) if sets else some if some in WNIDS else None
        assert (found[one]["wnid"], found[one]["wnids"]) == (label, sets), some
    usual = settle_votes(decisions, tasks)
    assert usual["status"].value_counts().sort("status").rows() == [("accept", 2), ("reject", 6)]
    for config in (rules, AgreementConfig()):
        reviewers = review_status(decisions, tasks, config)["reviewers"]
        assert [(row["controls"], row["right"]) for row in reviewers] == [(1, 1)] * 3, "to name all it shows is right"

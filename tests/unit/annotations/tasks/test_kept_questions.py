"""What reviewers were asked stays as it was asked when the tasks are made anew."""

import polars as pl

from relaionet.annotations.tasks.tasks import keep_questions
from tests.unit.annotations.builders import B, C, key, make_tasks


def test_questions_stay_and_new_pictures_come_after_them():
    asked = make_tasks(6, controls=2)
    further = asked.filter(pl.col("position") < 2).with_columns(round=pl.lit(2, pl.Int32), proposed_wnid=pl.lit(C))
    made = make_tasks(9).with_columns(proposed_wnid=pl.lit(B)).filter(pl.col("candidate_id") != key(4)).reverse()
    kept = keep_questions(made, pl.concat([asked, further]))
    old = kept.filter(pl.col("candidate_id").is_in(asked["candidate_id"].implode()))
    assert old.drop("position").equals(asked.filter(pl.col("candidate_id") != key(4)).drop("position"))
    assert set(kept["candidate_id"]) == {key(i) for i in range(9)} - {key(4)}
    new = kept.join(asked, on="candidate_id", how="anti")
    assert new["proposed_wnid"].unique().to_list() == [B]
    assert new["position"].min() > old["position"].max()
    assert kept["position"].to_list() == list(range(kept.height))
    assert set(kept["round"]) == {1}

"""Proposals of a curated run as a user meets them: the calibration it keeps, its page, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.store import Store
from relaionet.manifests.tables import CANDIDATES, PROPOSALS, ROUTED, SCREENED, TASKS, VERDICTS, alive
from tests.whole.conftest import Command

pytestmark = [pytest.mark.slow]


def test_a_run_keeps_its_calibration_and_every_row_says_what_it_rests_on(a_run: Path) -> None:
    found = json.loads((a_run / "calibration" / "calibration.json").read_text())
    assert found["basis"] == "labelled"
    assert found["sources"] == {"controls": 60}
    assert len(found["fingerprint"]) == len(found["classes"]) == 64
    store = Store(a_run)
    proposals, routed = store.read_all(PROPOSALS), store.read_all(ROUTED)
    assert proposals["tier"].null_count() == 0
    assert (proposals["tier"] == "unclear").to_list() == (proposals["status"] == "unclear").to_list()
    assert routed["candidate_id"].to_list() == alive(store.read_all(SCREENED))["candidate_id"].to_list()
    tasks = store.read_all(TASKS).filter(~pl.col("is_control"))
    assert set(tasks["candidate_id"]) == set(alive(routed)["candidate_id"])
    assert set(tasks["answers_wanted_count"]) == {3}


def test_the_page_is_one_file_that_escapes_what_strangers_wrote(
    a_run: Path, relaionet: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(a_run, run)
    store = Store(run)
    for shard in store.shards(CANDIDATES):
        rows = store.read(CANDIDATES, shard).with_columns(caption=pl.lit("<script>alert(1)</script>"))
        store.write(rows, CANDIDATES, "changed", shard=shard)
    done = relaionet("proposals", "--run", run)
    assert done.returncode == 0, done.stderr[-2000:]
    page = (run / "proposals.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:|#|[\w./-]+["'])""", page), (
        "the page loads or links something"
    )
    for tier in ("agree", "picture", "caption", "disagree", "unclear"):
        assert f"<td>{tier}</td>" in page
    assert "data:image/svg+xml;base64," in page


def test_a_recipe_that_saves_asks_fewer_and_says_what_that_risks(
    a_run: Path, source_recipe: Path, relaionet: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(a_run, run)
    recipe = source_recipe.parent / "saving.toml"
    recipe.write_text(source_recipe.read_text() + '[route]\npolicy = "doubt"\nagree_sample_frac = 0.2\n')
    done = relaionet("curate", "--recipe", recipe, "--out", run, "--no-push")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "fewer than 3 for each" in done.stderr
    assert "control sample" in done.stderr
    before, after = Store(a_run), Store(run)
    assert after.read_all(PROPOSALS).equals(before.read_all(PROPOSALS))
    routed, tasks = after.read_all(ROUTED), after.read_all(TASKS).filter(~pl.col("is_control"))
    assert routed.filter(status="not_sampled").height > 0
    wanted = routed.join(tasks.select("candidate_id", asked="answers_wanted_count"), on="candidate_id", how="left")
    assert wanted["asked"].fill_null(0).to_list() == routed["answers_wanted_count"].to_list()


def test_a_calibration_of_another_encoder_is_refused(
    a_run: Path, source_recipe: Path, relaionet: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(a_run, run)
    found = json.loads((a_run / "calibration" / "calibration.json").read_text())
    other = source_recipe.parent / "other.json"
    other.write_text(json.dumps(found | {"fingerprint": "0" * 64, "encoder": "another"}))
    recipe = source_recipe.parent / "other.toml"
    recipe.write_text(source_recipe.read_text() + '[calibrate]\nfile = "other.json"\n')
    done = relaionet("curate", "--recipe", recipe, "--out", run, "--no-push")
    assert done.returncode == 2
    assert "that of encoder 'another'" in done.stderr


def test_the_verdicts_of_an_earlier_run_are_labels(
    a_run: Path, source_recipe: Path, relaionet: Command, tmp_path: Path
) -> None:
    earlier, run = source_recipe.parent / "earlier", tmp_path / "run"
    shutil.copytree(a_run, earlier)
    shutil.copytree(a_run, run)
    proposals = alive(Store(a_run).read_all(PROPOSALS))
    settled = pl.DataFrame(
        [
            {"candidate_id": one, "proposed_wnid": wnid, "wnid": wnid, "votes_count": 3, "yes_count": 3,
             "selection_frac": 1.0, "confidence": 0.99, "reviewers": [], "status": "accept", "reason": None}
            for one, wnid in proposals.select("candidate_id", "wnid").iter_rows()
        ]
    )  # fmt: skip
    for name, dtype in VERDICTS.schema.items():
        settled = settled if name in settled.columns else settled.with_columns(pl.lit(None, dtype).alias(name))
    Store(earlier).write(settled, VERDICTS, "made")
    recipe = source_recipe.parent / "reviews.toml"
    recipe.write_text(source_recipe.read_text() + '[calibrate]\nreviews = ["earlier"]\n')
    done = relaionet("curate", "--recipe", recipe, "--out", run, "--no-push")
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((run / "calibration" / "calibration.json").read_text())
    assert found["sources"] == {"controls": 60, "review earlier": proposals.height}
    page = (earlier / "proposals.html").read_text()
    assert relaionet("proposals", "--run", earlier).returncode == 0
    assert "by the reviewers" not in page
    assert "of settled proposals confirmed" in (earlier / "proposals.html").read_text()

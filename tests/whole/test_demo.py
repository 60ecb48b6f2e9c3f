"""The whole job on the miniature: what the project promises of `relaionet demo`, read from its files."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.release.release import check_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import CANDIDATES, SCORES, SPLIT, TABLES
from relaionet.pipeline.miniature.server import serve_world
from relaionet.pipeline.splits.build import read_split
from tests.waiting import children_s
from tests.whole.conftest import Command, FinishedDemo

pytestmark = [pytest.mark.slow, pytest.mark.studio]
TRAINED = ("miniature-flow", "miniature-meanflow")
WORLD, NOISE = "miniature-world", "miniature-noise"
BETTER_IS_LOWER = {"FD": True, "KD": True, "csFD": True, "IS": False, "csIS": False, "CLIP Score": False,
                   "accuracy": False, "MMHM": False}  # fmt: skip


def summary(demo: FinishedDemo) -> dict:
    return json.loads((demo.folder / "summary.json").read_text())


def scores(demo: FinishedDemo) -> pl.DataFrame:
    return pl.read_parquet(demo.folder / "scores.parquet")


def test_counts_add_up_in_the_summary_and_on_screen(demo: FinishedDemo) -> None:
    stages = summary(demo)["stages"]
    assert [stage["stage"] for stage in stages] == [
        "candidates", "text_matches", "chosen", "downloads", "embeddings", "proposals", "screened",
        "routed", "review", "rebuild",
    ]  # fmt: skip
    for stage in stages:
        assert stage["rows_in"] == sum(stage["statuses"].values())
        for status, reasons in stage["reasons"].items():
            assert sum(reasons.values()) <= stage["statuses"][status]
    for before, after in pairwise(stages[:8]):
        assert after["rows_in"] == before["statuses"]["ok"]
    assert stages[8]["rows_in"] == stages[7]["statuses"]["ok"]
    assert stages[9]["rows_in"] == stages[8]["statuses"]["accept"]
    lines = re.findall(r"^  (\w+) +([\d,]+) = (.+?)  \(", demo.printed, re.M)
    assert len(lines) >= 9
    for _, rows_in, parts in lines:
        counts = [int(count.replace(",", "")) for count in re.findall(r"([\d,]+) [a-z_]+", parts)]
        assert int(rows_in.replace(",", "")) == sum(counts)


def test_no_source_row_vanishes(demo: FinishedDemo) -> None:
    source = pl.read_parquet(demo.folder / "world" / "rows.parquet")
    table = Store(demo.folder).read_all(CANDIDATES)
    assert table.height == source.height
    assert sorted(table["source_row"]) == list(range(source.height))


def test_released_rows_are_right_and_most_are_found(demo: FinishedDemo) -> None:
    found = summary(demo)
    truth = pl.read_parquet(demo.folder / "world" / "truth.parquet").filter(pl.col("candidate_id").is_not_null())
    released = check_release(demo.folder / "release").manifest.join(
        truth.select("candidate_id", "releasable", true_wnid="wnid"), on="candidate_id", how="left"
    )
    right = released.filter(pl.col("releasable") & (pl.col("wnid") == pl.col("true_wnid"))).height
    assert found["precision"] == pytest.approx(right / released.height)
    assert found["recall"] == pytest.approx(right / truth.filter("releasable").height)
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.85


def test_rebuilt_split_matches_what_the_later_web_serves(demo: FinishedDemo) -> None:
    truth = pl.read_parquet(demo.folder / "world" / "truth.parquet").select("candidate_id", "later")
    judged = pl.concat([pl.read_parquet(path) for path in (demo.folder / "split" / "split").glob("*.parquet")])
    joined = judged.join(truth, on="candidate_id", how="left")
    wrong = joined.filter(pl.col("status") != pl.col("later"))
    assert wrong.filter(pl.col("later") == "changed").is_empty(), "a changed picture passed as the same"
    assert wrong.height <= 0.01 * joined.height, wrong.select("status", "later").rows()
    rows, info = read_split(demo.folder / "split")
    assert rows.height == info["kept_count"]


def test_scores_have_the_promised_columns(demo: FinishedDemo) -> None:
    assert scores(demo).columns == list(SCORES.columns) == [
        "generator", "split", "protocol", "steps", "guidance", "nfe", "metric", "value", "low", "high", "n",
        "method", "made_with",
    ]  # fmt: skip
    assert scores(demo)["n"].n_unique() == 1


def test_distance_orders_world_trained_noise_outside_the_intervals(demo: FinishedDemo) -> None:
    rows = scores(demo).filter(metric="FD")
    world, noise = (rows.filter(generator=name).row(0, named=True) for name in (WORLD, NOISE))
    for row in rows.filter(pl.col("generator").is_in(TRAINED)).iter_rows(named=True):
        assert world["high"] < row["low"], f"{row['generator']} at {row['steps']} steps is not above the world"
        assert row["high"] < noise["low"], f"{row['generator']} at {row['steps']} steps is not below noise"


@pytest.mark.parametrize("metric", BETTER_IS_LOWER)
def test_noise_is_worst_on_every_metric(demo: FinishedDemo, metric: str) -> None:
    rows = scores(demo).filter((pl.col("metric") == metric) & (pl.col("generator") != "real images"))
    worst = rows.sort("value", descending=BETTER_IS_LOWER[metric]).row(0, named=True)
    assert worst["generator"] == NOISE


def test_nfe_is_measured(demo: FinishedDemo) -> None:
    rows = scores(demo).filter(pl.col("metric") == "FD")
    one_step = rows.filter((pl.col("generator") == "miniature-meanflow") & (pl.col("steps") == 1))
    assert set(one_step["nfe"]) == {1.0}
    flow = rows.filter((pl.col("generator") == "miniature-flow") & (pl.col("guidance") > 1))
    assert (flow["nfe"] >= 2 * flow["steps"]).all()


def test_report_is_one_file_that_says_what_it_is(demo: FinishedDemo) -> None:
    page = (demo.folder / "report.html").read_text()
    assert "miniature" in page
    assert "simulated" in page
    assert "guidance" in page
    loaded = page.replace('<a href="https://arxiv.org/abs/2603.14186">', "")  # the paper, for a reader to click on
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:|#|[\w./-]+["'])""", loaded), (
        "the page loads or links something"
    )
    assert len(page) < 8_000_000


def table_digests(folder: Path) -> dict[str, str]:
    """sha256 of everything that is a result: tables, release, split, scores, summary."""
    paths = [path for path in folder.rglob("*.parquet") if "studio" not in path.parts]
    paths += [folder / "summary.json", folder / "release" / "release.json", folder / "split" / "split.json"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def test_a_second_run_does_no_work_over_and_gives_identical_tables(demo: FinishedDemo, relaionet: Command) -> None:
    before = table_digests(demo.folder)
    written = {path: path.stat().st_mtime_ns for path in demo.folder.rglob("*.receipt.json")}
    used_s = children_s()
    done = relaionet("demo", "--out", demo.folder)
    seconds = children_s() - used_s
    assert done.returncode == 0, done.stderr[-3000:]
    assert table_digests(demo.folder) == before
    assert {path: path.stat().st_mtime_ns for path in demo.folder.rglob("*.receipt.json")} == written
    stages = re.findall(r"^  \w+ +[\d,]+ = .*\(([\d.]+ s|already done)\)$", done.stderr, re.M)
    assert len(stages) >= 9
    assert set(stages) == {"already done"}
    assert seconds < demo.seconds / 2


def test_trace_tells_a_released_rows_whole_life(demo: FinishedDemo, relaionet: Command) -> None:
    row = check_release(demo.folder / "release").manifest.row(0, named=True)
    for name in (row["candidate_id"][:10], row["url"]):
        done = relaionet("trace", name, "--run", demo.folder)
        assert done.returncode == 0
        for table in ("candidates", "downloads", "embeddings", "proposals", "screened", "tasks", "decisions",
                      "verdicts", "manifest", "split"):  # fmt: skip
            assert table in done.stdout
        assert row["class_name"] in done.stdout


@pytest.mark.parametrize("place", ["release", "split", "evaluation"])
def test_a_row_is_traced_from_each_place_alone(
    place: str, demo: FinishedDemo, relaionet: Command, tmp_path: Path
) -> None:  # fmt: skip
    """From the LAION row to the score, from a folder that was copied away from all others."""
    kept = Store(demo.folder / "split").read_all(SPLIT).filter("kept")
    row = kept.row(0, named=True)["candidate_id"]
    shutil.copytree(demo.folder / place, tmp_path / "alone" / place)
    page = tmp_path / "page.html"
    done = relaionet("trace", row[:12], "--run", tmp_path / "alone" / place, "--page", page)
    assert done.returncode == 0, done.stderr
    steps = [line.split()[0] for line in done.stdout.splitlines()]
    for step in ("proposals", "unsafe", "leak", "duplicate", "decisions", "verdicts", "manifest"):
        assert step in steps, step
    assert "calibration " in done.stdout
    assert "reference_near " in done.stdout
    assert ("split" in steps) == (place != "release")
    sets = json.loads((demo.folder / "evaluation" / "sets.json").read_text())["sets"] if place == "evaluation" else []
    assert steps.count("sample") == steps.count("scores") == len(sets)
    assert str(demo.folder) not in done.stdout
    assert str(demo.folder) not in page.read_text()
    # each sample is shown; the rebuilt picture only where it lies
    assert page.read_text().count("<img ") == len(sets) + (place == "split")


def test_nothing_of_this_machine_is_in_the_evidence(demo: FinishedDemo) -> None:
    release = check_release(demo.folder / "release")
    assert release.evidence is not None
    assert set(release.evidence["candidate_id"]) == set(release.manifest["candidate_id"])
    told = "".join(release.evidence["value"])
    assert str(demo.folder) not in told
    assert str(Path.home()) not in told
    assert "nothing looked at the pictures" in (demo.folder / "release" / "README.md").read_text()


def test_every_table_obeys_its_schema(demo: FinishedDemo) -> None:
    store = Store(demo.folder)
    for name in ("candidates", "downloads", "embeddings", "hits", "proposals", "screened", "tasks", "decisions",
                 "verdicts"):  # fmt: skip
        table = TABLES[name]
        rows = store.read_all(table)
        assert rows.schema == table.schema
        assert rows.height > 0


def test_the_tutorial_of_lookups_runs(demo: FinishedDemo, relaionet: Command, tmp_path: Path) -> None:
    """docs/tutorials/lookup.md: the demo's split as a folder without addresses, found again in the run's embeddings."""
    images, releases = demo.folder / "split" / "images", tmp_path / "releases"
    done = relaionet("adopt", images, "--name", "found-again", "--out", releases)
    assert done.returncode == 0, done.stderr[-3000:]
    first, found = releases / "found-again-v1", releases / "found-again-v2"
    with serve_world(demo.folder / "world") as served:
        looking = ("--in", demo.folder, "--images", images, "--out", tmp_path / "lookup", "--proxy", served.proxy)
        done = relaionet("lookup", first, *looking)
        assert done.returncode == 0, done.stderr[-3000:]
        done = relaionet("rebuild", found, "--out", tmp_path / "split", "--proxy", served.proxy)
        assert done.returncode == 0, done.stderr[-3000:]
    adopted, now = check_release(first).manifest, check_release(found)
    assert now.manifest["candidate_id"].to_list() == adopted["candidate_id"].to_list()
    # the split holds the bytes as they were served, so that each file's true address is known: its name
    own = dict(check_release(demo.folder / "release").manifest.select("candidate_id", "url").iter_rows())
    truth = dict(pl.read_parquet(demo.folder / "world" / "truth.parquet").select("url", "group").iter_rows())
    for path, url in now.manifest.select("path", "url").rows():
        true = own[Path(path).stem]
        assert url == true or truth[url] == truth[true] is not None
    verdicts = json.loads((tmp_path / "split" / "split.json").read_text())["verdicts"]
    assert verdicts["exact"] + verdicts["same_picture"] == adopted.height
    one = now.manifest["candidate_id"][0]
    assert "found_in" in relaionet("trace", one, "--run", found).stdout

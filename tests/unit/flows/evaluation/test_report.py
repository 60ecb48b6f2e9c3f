"""Pages and tables from evaluations that are done: made again without a generator, and put side by side."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from relaionet.evaluators.miniature.pictures import WORLD_SEED, draw_small
from relaionet.flows import evaluate as flow
from relaionet.flows.cli.main import main
from relaionet.flows.evaluation import loaded_generator, plan
from relaionet.flows.evaluation.joined import join_evaluations
from relaionet.flows.evaluation.report import print_leaderboards, write_evaluation_report
from relaionet.flows.evaluation.stored_sets import read_sets
from relaionet.flows.runs.prefect_server import _free_port, reporting_server
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, SCORES, check_table
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.miniature.drawings.pictures import CLASSES
from relaionet.pipeline.splits.build import build_split
from relaionet.pipeline.splits.plan import SplitConfig
from tests.waiting import run_to_end, wait_until

USED = tuple(CLASSES)[:5]
EACH = 5


def build(folder: Path, name: str, first_seed: int) -> Path:
    for wnid in USED:
        (folder / name / wnid).mkdir(parents=True)
        for place in range(EACH):
            Image.fromarray(draw_small(wnid, WORLD_SEED + first_seed + place)).save(
                folder / name / wnid / f"{place}.png"
            )
    adoption = plan_adoption(folder / name, AdoptConfig(name=name))
    pictures = read_pictures(folder / name, [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(pictures, label_pictures(pictures, adoption))
    release = read_release(make_release(manifest, folder / "releases", name=name, notes={}))
    build_split(release, SplitConfig(), folder / f"{name}-split", DownloadConfig(), images=folder / name)
    return folder / f"{name}-split"


def entry(name: str, role: str = "", steps: int = 0) -> plan.GeneratorEntry:
    return plan.GeneratorEntry(generator=f"miniature-{name}", steps=(steps,), role=role)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluations: `one` and `two` on split a (different generators), `whole` of both at once, `other` on split b."""
    folder = tmp_path_factory.mktemp("reports")
    a, b = build(folder, "set-a", 0), build(folder, "set-b", 100)
    ours, theirs = (entry("flow", steps=2), entry("noise", "lower bound")), (entry("meanflow", steps=1),)
    runs = (("one", a, ours), ("two", a, theirs), ("whole", a, ours + theirs), ("other", b, ours))
    with reporting_server():  # one for all of them
        for name, split, entries in runs:
            recipe = plan.EvaluateRecipe(name=f"Run {name}", split=split, protocol="miniature", generators=entries)
            flow.run_evaluate(recipe, folder / name, report=False)
    return folder


def test_the_page_is_made_again_from_what_lies_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("a generator was loaded")

    monkeypatch.setattr(loaded_generator, "load_generator", load)
    before = (made / "one" / "scores.parquet").read_bytes()
    path = write_evaluation_report([made / "one"])
    first = path.read_bytes()
    assert write_evaluation_report([made / "one"]).read_bytes() == first
    assert (made / "one" / "scores.parquet").read_bytes() == before
    text = first.decode()
    assert "Run one" in text
    assert "lower bound" in text
    assert {one.name for one in (made / "one" / "tables").iterdir()} == {
        f"set-a-v1-miniature{ending}" for ending in (".csv", ".md", ".tex", ".json", "-classes.csv", "-differences.csv")
    }
    marks = re.findall(r"<small>(CLIP Score [0-9.]+)</small>", text)
    assert len(marks) >= len(USED)


def test_sets_of_two_evaluations_stand_as_if_scored_at_once(made: Path) -> None:
    joined = join_evaluations([read_sets(made / "one"), read_sets(made / "two")])
    whole = join_evaluations([read_sets(made / "whole")])
    keys = ["generator", "steps", "guidance", "metric"]
    check_table(joined.scores, SCORES)
    check_table(joined.class_scores, CLASS_SCORES)
    check_table(joined.differences, DIFFERENCES)
    assert joined.scores.sort(keys).equals(whole.scores.sort(keys))
    assert joined.class_scores.sort(*keys, "part").equals(whole.class_scores.sort(*keys, "part"))
    pairs = ["metric", "one", "other"]
    assert joined.differences.sort(pairs).equals(whole.differences.sort(pairs))


def test_several_splits_share_a_page_and_no_leaderboard(made: Path) -> None:
    path = write_evaluation_report([made / "one", made / "other"], made / "page" / "report.html", title="Both")
    text = path.read_text("utf-8")
    assert "<h1>Both</h1>" in text
    assert "Across the splits" in text
    assert text.count('<table class="sortable board leaders"') == 2
    assert {one.name for one in (made / "page" / "tables").glob("*.md")} == {
        "set-a-v1-miniature.md", "set-b-v1-miniature.md"
    }  # fmt: skip
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    printed = print_leaderboards([made / "one", made / "other"], "markdown", ["FD"])
    assert printed.count("| generator |") == 2


def test_what_cannot_stand_side_by_side_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="both hold 'miniature-flow, 2 steps, guidance 1' on set-a-v1"):
        join_evaluations([read_sets(made / "one"), read_sets(made / "whole")])
    evaluation = read_sets(made / "two")
    with pytest.raises(BadInput, match="scored different images"):
        join_evaluations([read_sets(made / "one"), replace(evaluation, split_digest="0" * 64)])
    with pytest.raises(BadInput, match="scored different images"):
        join_evaluations([read_sets(made / "one"), replace(evaluation, limit=3)])
    shutil.copytree(made / "two", tmp_path / "older")
    scores = pl.read_parquet(tmp_path / "older" / "scores.parquet").with_columns(made_with=pl.lit("f" * 64))
    scores.write_parquet(tmp_path / "older" / "scores.parquet")
    with pytest.raises(BadInput, match="made with different models"):
        join_evaluations([read_sets(made / "one"), read_sets(tmp_path / "older")])


def test_folders_that_are_no_evaluation_are_told(made: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no finished evaluation"):
        write_evaluation_report([tmp_path])
    (tmp_path / "sets.json").write_text('{"title": "x"}')
    with pytest.raises(Corrupt, match="is not what an evaluation writes"):
        write_evaluation_report([tmp_path])
    shutil.copytree(made / "one", tmp_path / "cut")
    (tmp_path / "cut" / "scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"scores\.parquet cannot be read"):
        write_evaluation_report([tmp_path / "cut"])


def test_without_its_split_a_page_has_no_real_pictures_and_all_numbers(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "one", tmp_path / "moved")
    text = write_evaluation_report([tmp_path / "moved"]).read_text("utf-8")
    assert "its folder is not there any more" in text
    assert "real image of" not in text
    assert 'alt="' in text  # the generated ones are still there
    assert text.count('<tr id="n-') == pl.read_parquet(made / "one" / "scores.parquet").height


def test_the_command_prints_and_writes(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["report", *arguments])

    printed = run("one", "--print", "csv", "--metrics", "FD,CLIP Score")
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.splitlines()[0] == (
        "split,protocol,generator,steps,guidance,nfe,n,missing,role,rank,FD,FD low,FD high,"
        "CLIP Score,CLIP Score low,CLIP Score high"
    )
    page = run("one", "two", "--out", "pair")
    assert page.exit_code == 0, page.output
    assert (made / "pair" / "report.html").is_file()
    assert "several evaluations need --out" in run("one", "two").output
    assert "--metrics chooses columns" in run("one", "--metrics", "FD").output
    unknown = run("one", "--print", "markdown", "--metrics", "FDD")
    assert unknown.exit_code != 0
    assert "'FDD' was not scored" in unknown.output


def test_a_server_of_the_users_own_shows_the_leaderboard(made: Path, tmp_path: Path) -> None:
    port = _free_port()
    address = f"http://127.0.0.1:{port}/api"
    quiet = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    server = subprocess.Popen(
        [sys.executable, "-m", "relaionet.flows.runs.prefect_server", str(port)], env=os.environ | quiet,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: _answers(f"{address}/health"), server)
        code = (
            "import sys; from pathlib import Path; from relaionet.flows.evaluation.publishing import publish_scores; "
            "publish_scores(Path(sys.argv[1]))"
        )
        settings = os.environ | quiet | {"PREFECT_API_URL": address}
        command = [sys.executable, "-c", code, str(made / "one")]
        done = run_to_end(command, env=settings)
        assert done.returncode == 0, done.stderr
        request = urllib.request.Request(
            f"{address}/artifacts/filter", data=b"{}", headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            found = {one["key"]: one for one in json.load(answer)}
    finally:
        server.terminate()
        server.wait(30)
    assert set(found) == {"relaionet-scores-set-a-v1-miniature", "relaionet-leaderboard-set-a-v1-miniature"}
    table = json.loads(found["relaionet-scores-set-a-v1-miniature"]["data"])
    assert [row["generator"] for row in table] == ["real images", "miniature-flow", "miniature-noise"]
    assert "FD" in table[1]
    assert "| generator |" in found["relaionet-leaderboard-set-a-v1-miniature"]["data"]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False

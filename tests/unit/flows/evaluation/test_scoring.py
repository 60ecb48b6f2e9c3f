"""A whole evaluation on a made split: what is written beside the scores, that it is done once, and what is refused."""

from __future__ import annotations

import json
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.evaluators.features.statistics import export_statistics, read_statistics
from relaionet.evaluators.miniature.pictures import WORLD_SEED, draw_small
from relaionet.evaluators.scoring.influences import read_influences
from relaionet.flows import evaluate as flow
from relaionet.flows.evaluation import plan
from relaionet.flows.evaluation.inputs import read_groups
from relaionet.flows.evaluation.recipe import RaterEntry
from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.tables import CLASS_SCORES, DIFFERENCES, SCORES, check_table
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.miniature.drawings.pictures import CLASSES
from relaionet.pipeline.splits.build import build_split
from relaionet.pipeline.splits.plan import SplitConfig

USED = tuple(CLASSES)[:6]
EACH = 8

# a rater that needs nothing but the standard library, talks before it is ready, and counts what it was asked
RATER = """
import json, sys
from pathlib import Path
print("loading an old package ...")
print(json.dumps({"name": "bytes", "version": "1"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    with Path(sys.argv[1]).open("a") as log:
        log.write(request["text"] + "\\n")
    size = len(Path(request["image"]).read_bytes())
    print(json.dumps({"id": request["id"], "score": size / 1000}), flush=True)
"""


def build(folder: Path, name: str, first_seed: int) -> Path:
    for wnid in USED:
        (folder / name / wnid).mkdir(parents=True)
        for place in range(EACH):
            picture = draw_small(wnid, WORLD_SEED + first_seed + place)
            Image.fromarray(picture).save(folder / name / wnid / f"{place}.png")
    adoption = plan_adoption(folder / name, AdoptConfig(name=name))
    pictures = read_pictures(folder / name, [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(pictures, label_pictures(pictures, adoption))
    release = read_release(make_release(manifest, folder / "releases", name=name, notes={}))
    build_split(release, SplitConfig(), folder / f"{name}-split", DownloadConfig(), images=folder / name)
    return folder / f"{name}-split"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> plan.EvaluateRecipe:
    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "rater.py").write_text(RATER)
    venv.create(folder / "old", with_pip=False)
    python = folder / "old" / "bin" / "python"
    (folder / "groups.tsv").write_text(
        "".join(f"{wnid}\t{'a' if index < 4 else 'b'}\n" for index, wnid in enumerate(USED))
    )
    entries = tuple(plan.GeneratorEntry(generator=f"miniature-{name}", steps=(0,)) for name in ("world", "noise"))
    return plan.EvaluateRecipe(
        split=build(folder, "pictures", 0),
        protocol="miniature",
        generators=entries,
        extras=("neighbours", "infinity", "top-5", "CMMD:miniature"),
        raters=(
            RaterEntry(metric="bytes", command=(str(python), "-I", str(folder / "rater.py"), str(folder / "log"))),
        ),
        groups=str(folder / "groups.tsv"),
    )


@pytest.fixture(scope="module")
def done(recipe: plan.EvaluateRecipe) -> Path:
    out = Path(recipe.groups).parent / "out"
    flow.run_evaluate(recipe, out, report=False)
    return out


def test_every_score_has_an_interval_and_says_how_it_was_found(done: Path) -> None:
    scores = pl.read_parquet(done / "scores.parquet")
    check_table(scores, SCORES)
    made = set(scores.filter(generator="miniature-world")["metric"])
    assert {
        "FD",
        "KD",
        "IS",
        "CLIP Score",
        "accuracy",
        "top-5",
        "FD∞",
        "precision",
        "recall",
        "density",
        "coverage",
    } <= made
    assert {"CMMD:miniature", "bytes", "MMHM", "csFD", "csFD (relative)"} <= made
    assert scores.filter(pl.col("low").is_null()).is_empty()
    assert scores.filter(pl.col("low") > pl.col("value")).is_empty()
    assert set(scores["method"]) >= {"infinitesimal jackknife, log scale", "Wilson"}
    assert scores["n"].unique().to_list() == [len(USED) * EACH]
    assert scores.filter(metric="FD")["made_with"].n_unique() == 1
    assert scores.filter(metric="CMMD:miniature")["made_with"][0] != scores.filter(metric="FD")["made_with"][0]


def test_scores_by_class_and_group(done: Path) -> None:
    rows = check_table(pl.read_parquet(done / "class_scores.parquet"), CLASS_SCORES)
    assert set(rows.filter(kind="class")["part"]) == set(USED)
    assert dict(
        rows.filter(kind="group", metric="FD", generator="miniature-world").select("part", "n").iter_rows()
    ) == {
        "a": 4 * EACH,
        "b": 2 * EACH,
    }
    scores = pl.read_parquet(done / "scores.parquet")
    for metric in ("CLIP Score", "bytes", "accuracy"):
        parts = rows.filter(kind="class", metric=metric, generator="miniature-noise")
        whole = scores.filter(metric=metric, generator="miniature-noise")["value"][0]
        assert (parts["value"] * parts["n"]).sum() / parts["n"].sum() == pytest.approx(whole)


def test_world_and_noise_differ_beyond_doubt(done: Path) -> None:
    rows = check_table(pl.read_parquet(done / "differences.parquet"), DIFFERENCES)
    fd = rows.filter(metric="FD").row(0, named=True)
    assert fd["difference"] < fd["high"] < 0
    assert fd["p_holm"] < 1e-6
    assert (rows["p_holm"] >= rows["p_value"]).all()
    kept = read_influences(next(done.glob("samples/*world*/influences.npz")))
    assert len(kept.ids) == len(USED) * EACH


def test_statistics_are_kept_by_content_and_go_out_and_in_again(done: Path, tmp_path: Path) -> None:
    path = next((done / "statistics").glob("miniature-fd-*.npz"))
    one = read_statistics(path)
    assert one.n == len(USED) * EACH
    export_statistics(tmp_path / "adm.npz", one)
    again = read_statistics(tmp_path / "adm.npz")
    np.testing.assert_array_equal(again.mean, one.mean)
    assert (again.n, again.made_with) == (0, "")


def test_a_second_run_asks_nothing_again_and_a_lost_file_is_made_again(done: Path, recipe: plan.EvaluateRecipe) -> None:
    log = Path(recipe.groups).parent / "log"
    asked, before = log.read_text(), pl.read_parquet(done / "scores.parquet")
    next(done.glob("samples/*world*/influences.npz")).unlink()
    flow.run_evaluate(recipe, done, report=False)
    assert log.read_text() == asked
    assert pl.read_parquet(done / "scores.parquet").equals(before)
    assert list(done.glob("samples/*world*/influences.npz"))


def test_noise_gets_its_doubts_said(done: Path) -> None:
    texts = json.loads(next((done / "doubts").glob("*noise*")).read_text())
    assert any("bias of few images" in text for text in texts)


def test_wrong_inputs_are_said_before_anything_runs(recipe: plan.EvaluateRecipe, tmp_path: Path) -> None:
    (tmp_path / "groups.tsv").write_text(f"{USED[0]} no tab\n")
    with pytest.raises(BadInput, match="line 1"):
        read_groups(tmp_path / "groups.tsv")
    for wrong, message in (
        ({"extras": ("neigbours",)}, "Did you mean 'neighbours'"),
        ({"groups": str(tmp_path / "none")}, "do not exist"),
        ({"mmhm_bounds": str(tmp_path / "none")}, "does not exist"),
        ({"references": {"x": str(tmp_path / "groups.tsv")}}, "no npz"),
    ):
        with pytest.raises(BadInput, match=message):
            flow.run_evaluate(replace(recipe, **wrong), tmp_path / "out", report=False)
    assert not (tmp_path / "out").exists()

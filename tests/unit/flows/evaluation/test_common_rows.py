"""Two rebuilds of one release are compared on the rows both have, and nobody has to ask for it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.evaluators.miniature.pictures import WORLD_SEED, draw_small
from relaionet.flows import evaluate as flow
from relaionet.flows.evaluation import plan
from relaionet.flows.evaluation.common_rows import common_digest, set_apart
from relaionet.flows.evaluation.joined import join_evaluations
from relaionet.flows.evaluation.report import print_leaderboards, write_evaluation_report
from relaionet.flows.evaluation.stored_sets import read_sets
from relaionet.flows.runs.prefect_server import reporting_server
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import read_json, write_json
from relaionet.manifests.release.release import Release, make_release, read_release
from relaionet.manifests.tables import CLASS_SCORES, SCORES, check_table
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.miniature.drawings.pictures import CLASSES
from relaionet.pipeline.splits.build import build_split, read_split
from relaionet.pipeline.splits.plan import SplitConfig

USED, EACH = tuple(CLASSES)[:5], 8
NUMBERS = ("metric", "value", "low", "high", "n", "nfe", "method", "made_with")
# pictures each rebuild lacks, by their number in the class
LACKS = {"ours": (0, 1), "theirs": (1, 2, 5), "cut": (0, 1, 2, 5)}


def draw_release(folder: Path) -> Release:
    for wnid in USED:
        (folder / "set" / wnid).mkdir(parents=True)
        for place in range(EACH):
            Image.fromarray(draw_small(wnid, WORLD_SEED + place)).save(folder / "set" / wnid / f"{place}.png")
    adoption = plan_adoption(folder / "set", AdoptConfig(name="set"))
    pictures = read_pictures(folder / "set", [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(pictures, label_pictures(pictures, adoption))
    return read_release(make_release(manifest, folder / "releases", name="set", notes={}))


def rebuild(release: Release, folder: Path, name: str) -> Path:
    images = folder / f"{name}-images"
    shutil.copytree(folder / "set", images)
    for number, place in enumerate(LACKS[name]):
        for wnid in USED[: 5 - number % 2]:
            (images / wnid / f"{place}.png").unlink()
    build_split(release, SplitConfig(), folder / f"{name}-split", DownloadConfig(), images=images)
    return folder / f"{name}-split"


def entry(name: str, steps: int = 0) -> plan.GeneratorEntry:
    return plan.GeneratorEntry(generator=f"miniature-{name}", steps=(steps,))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ours` and `theirs` on two rebuilds of a release, one generator in both; `cut` on what both have."""
    folder = tmp_path_factory.mktemp("common")
    release = draw_release(folder)
    splits = {name: rebuild(release, folder, name) for name in ("ours", "theirs")}
    both = set(read_split(splits["ours"]).rows["candidate_id"]) & set(read_split(splits["theirs"]).rows["candidate_id"])
    images = folder / "cut-images"
    for path in release.manifest.filter(pl.col("candidate_id").is_in(list(both)))["path"]:
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "set" / path, images / path)
    build_split(release, SplitConfig(), folder / "cut-split", DownloadConfig(), images=images)
    splits["cut"] = folder / "cut-split"
    entries = {"ours": ("flow", "noise"), "theirs": ("meanflow", "noise"), "cut": ("flow", "meanflow", "noise")}
    steps = {"flow": 2, "meanflow": 1, "noise": 0}
    with reporting_server():
        for name, generators in entries.items():
            recipe = plan.EvaluateRecipe(
                name=name, split=splits[name], protocol="miniature",
                generators=tuple(entry(one, steps[one]) for one in generators),
            )  # fmt: skip
            flow.run_evaluate(recipe, folder / name, report=False)
    return folder


def joined_of(made: Path, *names: str) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    apart = set_apart([read_sets(made / name) for name in names])
    joined = join_evaluations(apart.evaluations)
    check_table(joined.scores, SCORES)
    check_table(joined.class_scores, CLASS_SCORES)
    return joined.scores, joined.class_scores, apart.notes


def numbers(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    return rows.select(NUMBERS).sort("metric").rows()


def test_scores_of_the_common_rows_are_those_of_a_split_cut_by_hand_bit_for_bit(made: Path) -> None:
    scores, classes, _ = joined_of(made, "ours", "theirs")
    hand = read_sets(made / "cut").read("scores")
    hand_classes = read_sets(made / "cut").read("class_scores")
    common = scores.filter(pl.col("split").str.contains("common rows"))
    assert common["split"].n_unique() == 1
    twins = {"noise": ("noise (ours)", "noise (theirs)")}
    for name in hand["generator"].unique():
        plain = next((word for word in twins if word in name), None)
        for ours in [name] if plain is None else [name.replace(name, f"{name} ({who})") for who in ("ours", "theirs")]:
            mine = common.filter(generator=ours, steps=hand.filter(generator=name)["steps"][0])
            expected = hand.filter(pl.col("generator") == name)
            of_rows = "MMHM"  # is taken over the sets on the board, of which there are four here
            kept = pl.col("metric") != of_rows
            assert numbers(mine.filter(kept)) == numbers(expected.filter(kept)), ours
            assert mine.height == expected.height
            some = classes.filter(generator=ours, split=common["split"][0]).sort("part", "metric")
            theirs = hand_classes.filter(generator=name).sort("part", "metric")
            columns = ["part", "metric", "value", "low", "high", "n"]
            assert some.select(columns).equals(theirs.select(columns)), ours


def test_both_figures_are_shown_and_the_digest_can_be_cited(made: Path) -> None:
    scores, _, notes = joined_of(made, "ours", "theirs")
    own = {name: read_sets(made / name).read("scores") for name in ("ours", "theirs")}
    digests = {name: read_json(made / f"{name}-split" / "split.json")["digest"] for name in ("ours", "theirs")}
    for name, rows in own.items():
        board = scores.filter(split=f"set-v1, rebuild {digests[name][:12]}")
        for generator in rows["generator"].unique():
            assert numbers(board.filter(generator=generator)) == numbers(rows.filter(generator=generator))
    ids = [set(read_split(made / f"{name}-split").rows["candidate_id"]) for name in ("ours", "theirs")]
    both = frozenset(ids[0] & ids[1])
    digest = common_digest(read_json(made / "ours-split" / "split.json")["release_digest"], both)
    counts = ", ".join(str(len(one)) for one in ids)
    said = (
        f"set-v1: 2 evaluations of rebuilds with {counts} rows. Each has a table of its own rows; only in that of the "
        f"{len(both)} rows all have can they be compared. Digest of these rows: {digest[:12]}."
    )
    assert notes == [said]
    page = write_evaluation_report([made / "ours", made / "theirs"], made / "page" / "report.html").read_text()
    assert page.count('<table class="sortable board leaders"') == 3
    assert digest[:12] in page
    assert notes[0] in page
    assert digest[:12] in print_leaderboards([made / "ours", made / "theirs"], "markdown")
    other_way = joined_of(made, "theirs", "ours")[0]
    assert set(other_way["split"]) == set(scores["split"])


def test_three_rebuilds_have_one_set_of_common_rows(made: Path) -> None:
    scores, _, notes = joined_of(made, "ours", "theirs", "cut")
    boards = {name for name in scores["split"].unique() if "common rows" in name}
    assert len(boards) == 1
    assert len(notes) == 1
    assert boards == {name for name in joined_of(made, "ours", "theirs")[0]["split"].unique() if "common" in name}


def test_rows_of_different_releases_under_one_name_are_refused(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "theirs", tmp_path / "theirs")
    stored = read_json(tmp_path / "theirs" / "sets.json")
    write_json(tmp_path / "theirs" / "sets.json", stored | {"release_digest": "0" * 64})
    with pytest.raises(BadInput, match="not known to be of one release"):
        set_apart([read_sets(made / "ours"), read_sets(tmp_path / "theirs")])


def test_an_evaluation_of_an_earlier_version_says_what_to_do(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "theirs", tmp_path / "theirs")
    (tmp_path / "theirs" / "reference" / "feature-set.json").unlink()
    with pytest.raises(BadInput, match="run `relaionet evaluate` into it once more"):
        set_apart([read_sets(made / "ours"), read_sets(tmp_path / "theirs")])
    recipe = plan.EvaluateRecipe(
        name="theirs", split=made / "theirs-split", protocol="miniature",
        generators=(entry("meanflow", 1), entry("noise")),
    )  # fmt: skip
    flow.run_evaluate(replace(recipe), tmp_path / "theirs", report=False)
    assert len(set_apart([read_sets(made / "ours"), read_sets(tmp_path / "theirs")]).evaluations) == 4


def test_scores_on_a_core_are_those_of_a_split_cut_to_it_by_hand(made: Path, tmp_path: Path) -> None:
    whole = read_release(made / "releases" / "set-v1").manifest
    core = whole.with_columns(is_core=pl.col("path").str.contains("[0-4].png"))
    release = read_release(make_release(core, tmp_path / "releases", name="set", notes={}))
    cut = read_release(make_release(core.filter("is_core"), tmp_path / "cut", name="set", notes={}))
    for one, name in ((release, "split"), (cut, "cut-split")):
        build_split(one, SplitConfig(), tmp_path / name, DownloadConfig(), images=made / "set")
    recipe = plan.EvaluateRecipe(split=tmp_path / "split", protocol="miniature", generators=(entry("flow", 2),))
    flow.run_evaluate(replace(recipe, core=True), tmp_path / "core", report=False)
    flow.run_evaluate(replace(recipe, split=tmp_path / "cut-split"), tmp_path / "hand", report=False)
    scores, hand = (read_sets(tmp_path / name).read("scores") for name in ("core", "hand"))
    assert set(scores["split"]) == {"set-v1 core"}
    assert set(scores["n"]) == {25}
    for generator in hand["generator"].unique():
        assert numbers(scores.filter(generator=generator)) == numbers(hand.filter(generator=generator))
    assert "set-v1 core" in write_evaluation_report([tmp_path / "core"]).read_text()
    with pytest.raises(BadInput, match="names no core"):
        plan.read_rows(replace(recipe, split=made / "ours-split", core=True))

"""A metric and a protocol of another package, from scores to the page, and a protocol of one's own in a TOML file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from relaionet.evaluators.listing import metrics_table, protocols_table
from relaionet.evaluators.metrics.lookup import list_extras, list_shown
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.flows import evaluate as flow
from relaionet.flows.cli.main import main
from relaionet.flows.evaluation import plan
from relaionet.flows.evaluation.joined import join_evaluations
from relaionet.flows.evaluation.recipe import read_evaluate_recipe, read_protocol
from relaionet.flows.evaluation.report import print_leaderboards
from relaionet.flows.evaluation.stored_sets import read_sets
from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import SCORES, check_table
from relaionet.pipeline.splits.build import read_split
from tests.toy_package.install import toy_installed
from tests.unit.flows.evaluation.test_report import build, entry

NAME = "mean brightness"
OWN = """
name = "small"
meaning = "half the miniature's pixels"
size_px = 32
fd_extractor = "miniature"
fd_name = "FD"
kd_name = "KD"
kd_by_class = true
classifier = "miniature"
class_order = "own"
alignment = "miniature"
is_splits = 1
mmhm_raw = true
mmhm_eps = 0.01
[generated]
filter = "box"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An evaluation under the package's protocol, whose extras ask for its metric; the package stays installed."""
    folder = tmp_path_factory.mktemp("toy")
    with toy_installed(folder):
        split = build(folder, "set-a", 0)
        recipe = plan.EvaluateRecipe(
            name="Toy", split=split, protocol="dark and light", generators=(entry("flow", steps=2), entry("noise"))
        )
        flow.run_evaluate(recipe, folder / "out")
        yield folder


def test_without_the_package_its_metric_is_unknown(tmp_path: Path) -> None:
    """Stands first: from the next test on the package is installed."""
    recipe = plan.EvaluateRecipe(split=tmp_path, protocol="miniature", generators=(entry("noise"),), extras=(NAME,))
    with pytest.raises(BadInput, match="no extra metric 'mean brightness'"):
        plan.check_recipe(recipe)


def test_it_is_scored_for_generators_and_real_images_and_classes(made: Path) -> None:
    scores = check_table(pl.read_parquet(made / "out" / "scores.parquet"), SCORES).filter(metric=NAME)
    assert scores["generator"].to_list() == ["real images", "miniature-flow", "miniature-noise"]
    rows, _ = read_split(made / "set-a-split")
    pictures = [np.asarray(Image.open(path).convert("RGB"), np.float64) for path in rows["path"]]
    assert scores["value"][0] == pytest.approx(np.mean([one.mean() / 255 for one in pictures]), rel=1e-6)
    _, images = read_samples(next((made / "out" / "samples").glob("*flow*")))
    assert scores["value"][1] == pytest.approx(float(np.asarray(images[:]).mean() / 255), rel=1e-6)
    assert (scores["low"] < scores["value"]).all()
    assert (scores["value"] < scores["high"]).all()
    classes = pl.read_parquet(made / "out" / "class_scores.parquet").filter(metric=NAME, kind="class")
    assert classes.height == 2 * 5
    both = pl.read_parquet(made / "out" / "differences.parquet").filter(metric=NAME).row(0, named=True)
    assert both["difference"] == pytest.approx(scores["value"][1] - scores["value"][2])


def test_it_is_shown_where_its_declaration_says(made: Path) -> None:
    page = (made / "out" / "report.html").read_text()
    assert f'title="how bright the images are, 0 black to 1 white">{NAME}</button>' in page  # neither way is better
    assert list_shown("said")[-1] == NAME
    table = print_leaderboards([made / "out"], "markdown", ())
    heads = [head.strip() for head in table.splitlines()[0].split("|")]
    assert heads.index(NAME) == heads.index("accuracy ↑") + 1
    for line in table.splitlines()[2:5]:
        assert "**" not in line.split("|")[heads.index(NAME)]
    kept = json.loads(print_leaderboards([made / "out"], "json", ()))
    assert kept["better"][NAME] == "neither"


def test_it_is_listed_for_people(made: Path) -> None:
    listed = CliRunner().invoke(main, ["metrics"]).output
    (line,) = [line for line in listed.splitlines() if line.startswith(NAME)]
    assert line.split(maxsplit=2)[2] == f"neither  {NAME}  how bright the images are, 0 black to 1 white"
    assert f"| {NAME} | `{NAME}` | features | how bright" in metrics_table()
    assert "| `dark and light` v2 | the miniature's, and how bright the images are |" in protocols_table()
    assert "dark and light" in CliRunner().invoke(main, ["metrics", "--protocols"]).output
    assert NAME in list_extras()


def test_scores_without_it_are_what_they_are_without_the_package(made: Path) -> None:
    names = list_shown("main")
    assert NAME in names
    recipe = plan.EvaluateRecipe(split=made / "set-a-split", protocol="miniature", generators=(entry("noise"),))
    flow.run_evaluate(recipe, made / "plain", report=False)
    assert NAME not in pl.read_parquet(made / "plain" / "scores.parquet")["metric"]
    with pytest.raises(BadInput, match=f"Did you mean '{NAME}'"):
        plan.check_recipe(replace(recipe, extras=("mean brightnes",)))


def test_a_protocol_of_ones_own_is_a_file(made: Path) -> None:
    (made / "small.toml").write_text(OWN)
    (made / "recipe.toml").write_text(
        'split = "set-a-split"\nprotocol = "small.toml"\n'
        + "".join(f'[[generators]]\ngenerator = "miniature-{name}"\nsteps = [0]\n' for name in ("noise", "world"))
    )
    recipe = read_evaluate_recipe(str(made / "recipe.toml"))
    flow.run_evaluate(recipe, made / "own", report=False)
    (made / "small.toml").unlink()  # the report needs it no more
    scores = pl.read_parquet(made / "own" / "scores.parquet")
    assert set(scores["protocol"]) == {"small"}
    assert {"FD", "KD", "csFD", "MMHM", "MMHM (raw)"} <= set(scores["metric"])
    assert scores.filter(metric="MMHM")["value"].min() == pytest.approx(0.01, rel=0.1)
    stored = read_sets(made / "own")
    assert (stored.protocol, stored.choices.generated.filter, stored.choices.mmhm_eps) == ("small", "box", 0.01)
    assert join_evaluations([stored]).scores.height == scores.height
    assert "small" in print_leaderboards([made / "own"], "markdown", ())


def test_a_wrong_protocol_file_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for text, said in (
        ('name = "mine"\nsize = 3\n', "unknown key 'size'.*size_px"),
        ('name = "paper"\n', "the name 'paper' is taken"),
        ('name = "mine"\nfd_extractor = "dinov2"\n', "kept for Inception"),
        ('name = "mine"\nextras = ["sfid"]\n', "Did you mean 'sFID'"),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=said):
            read_protocol(str(path))
    with pytest.raises(BadInput, match=r"gone\.toml does not exist"):
        read_protocol(str(tmp_path / "gone.toml"))

"""What keeps an evaluation from running is said by `--plan` and by the run alike, before anything is sampled."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from relaionet.evaluators.features.statistics import read_statistics
from relaionet.flows import evaluate as flow
from relaionet.flows.evaluation import plan
from relaionet.flows.evaluation.recipe import RaterEntry
from relaionet.flows.terminal.evaluation_plan import plan_lines
from relaionet.manifests.errors import BadInput, ReLAIONetError
from tests.unit.flows.evaluation.test_scoring import EACH, USED, build

NOISE = plan.GeneratorEntry(generator="miniature-noise", steps=(0,))
WORLD = plan.GeneratorEntry(generator="miniature-world", steps=(0,))
RATER = RaterEntry(metric="mine", command=(sys.executable,))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> plan.EvaluateRecipe:
    """A recipe that runs, with the evaluation it gave beside its split."""
    folder = tmp_path_factory.mktemp("plan")
    recipe = plan.EvaluateRecipe(split=build(folder, "pictures", 0), protocol="miniature", generators=(NOISE,))
    flow.run_evaluate(recipe, folder / "out", report=False)
    return recipe


def own_statistics(recipe: plan.EvaluateRecipe) -> dict[str, np.ndarray]:
    path = next((recipe.split.parent / "out" / "statistics").glob("*.npz"))
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def refuse(recipe: plan.EvaluateRecipe, message: str, out: Path) -> None:
    """Both refuse it with one text, and nothing is sampled."""
    said = []
    for look in (lambda: plan_lines(recipe), lambda: flow.run_evaluate(recipe, out, report=False)):
        with pytest.raises(ReLAIONetError, match=message) as caught:
            look()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert not (out / "samples").exists()


def test_what_is_right_runs_and_nothing_is_missing(recipe: plan.EvaluateRecipe) -> None:
    own = next((recipe.split.parent / "out" / "statistics").glob("*.npz"))
    right = replace(
        recipe, generators=(NOISE, WORLD), references={"again": str(own)},
        mmhm_bounds=str(recipe.split.parent / "out" / "bounds.json"), raters=(RATER,),
    )  # fmt: skip
    lines = plan_lines(right)
    assert "Nothing is missing." in lines
    assert f"split pictures-v1: {len(USED) * EACH} images of every set" in lines


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"raters": (replace(RATER, metric="FD"),)}, "metric 'FD' is a name that is taken"),
        ({"raters": (replace(RATER, metric="MMHM"),)}, "metric 'MMHM' is a name that is taken"),
        ({"raters": (replace(RATER, metric="FID to x"),)}, "metric 'FID to x' is a name that is taken"),
        ({"raters": (replace(RATER, metric="csFD (relative)"),)}, "is a name that is taken"),
        ({"raters": (RATER, RATER)}, "two give 'mine'"),
        ({"raters": (RaterEntry(metric="mine", command=("no-such-program",)),)}, "no program 'no-such-program'"),
        ({"raters": (RaterEntry(metric="mine", command=()),)}, "no program ''"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"time_limit_s": -1.0}, "time_limit_s is -1"),
        ({"weights": {"incption": "x"}}, "Did you mean 'inception'"),
        ({"extras": ("FD:nobody",)}, "no extractor 'nobody'"),
        ({"generators": (replace(NOISE, name="Real images"),)}, "cannot be called 'Real images'"),
        ({"generators": (replace(NOISE, name="real image"),)}, "cannot be called 'real image'"),
        ({"generators": (NOISE, NOISE)}, "asks for 'miniature-noise-steps0-guidance1' twice"),
        ({"core": True}, "names no core"),
    ],
)
def test_a_recipe_that_is_wrong_in_itself(
    recipe: plan.EvaluateRecipe, tmp_path: Path, wrong: dict[str, object], message: str
) -> None:
    if "core" in wrong:  # the split is what is wrong, which a plan lists as missing
        assert any(message in line for line in plan_lines(replace(recipe, **wrong)))
        with pytest.raises(BadInput, match=message):
            flow.run_evaluate(replace(recipe, **wrong), tmp_path / "out", report=False)
        return
    refuse(replace(recipe, **wrong), message, tmp_path / "out")


def write_groups(path: Path, _: plan.EvaluateRecipe) -> None:
    path.write_text("n01440764\tfish\n")


def write_bounds(change: Callable[[dict[str, object]], object]) -> Callable[[Path, plan.EvaluateRecipe], None]:
    def write(path: Path, recipe: plan.EvaluateRecipe) -> None:
        value = json.loads((recipe.split.parent / "out" / "bounds.json").read_text())
        change(value)
        path.write_text(json.dumps(value))

    return write


@pytest.mark.parametrize(
    ("key", "write", "message"),
    [
        ("groups", write_groups, "none of the classes of pictures-v1"),
        ("mmhm_bounds", write_bounds(lambda value: value.update(split="other-v1")), "come from split other-v1"),
        ("mmhm_bounds", write_bounds(lambda value: value["ends"].pop("IS")), "and not IS"),
        ("mmhm_bounds", write_bounds(lambda value: value.update(made_with="0" * 12)), "mmhm_bounds and the scores"),
    ],
)
def test_a_file_that_does_not_fit_the_split(
    recipe: plan.EvaluateRecipe, tmp_path: Path, key: str, write: Callable[[Path, plan.EvaluateRecipe], None],
    message: str,
) -> None:  # fmt: skip
    write(tmp_path / "file", recipe)
    refuse(replace(recipe, **{key: str(tmp_path / "file")}), message, tmp_path / "out")


ABOUT = {"about_keys": np.array(["split", "protocol", "array"])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"made_with": np.array("0" * 12)}, "were made with different models or choices"),
        ({"about_values": np.array(["val", "clean", "FID"])}, "statistics of split val, protocol clean, array FID"),
        ({"about_values": np.array(["val", "miniature", "sFID"])}, "expected FD under protocol miniature"),
        ({"about_keys": np.array(["kind", "representation"]), "about_values": np.array(["comparison", "inception"])},
         "statistics of kind comparison"),
        ({"mu": np.zeros(128), "sigma": np.eye(128)}, "have 128 dimensions; FD compares 64"),
        # without a word about their origin
        ({"format": None, "mu": np.zeros(3), "sigma": np.eye(3)}, "have 3 dimensions"),
        ({"sigma": -np.eye(64)}, "which is below 0"),
        ({"sigma": np.diag([1.0] * 63 + [-0.01])}, "which is below 0"),
    ],
)  # fmt: skip
def test_statistics_of_another_origin_are_no_reference(
    recipe: plan.EvaluateRecipe, tmp_path: Path, change: dict[str, np.ndarray | None], message: str
) -> None:
    arrays = {key: value for key, value in {**own_statistics(recipe), **change}.items() if value is not None}
    np.savez(tmp_path / "other.npz", **arrays)
    refuse(replace(recipe, references={"other": str(tmp_path / "other.npz")}), message, tmp_path / "out")


def test_rounding_leaves_statistics_what_they_are(recipe: plan.EvaluateRecipe, tmp_path: Path) -> None:
    """A stranger's covariance in float32, of fewer images than dimensions: what is 0 in truth is a little below."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 64)) * np.geomspace(1, 1e-3, 64)
    np.savez(tmp_path / "adm.npz", mu=features.mean(0), sigma=np.cov(features, rowvar=False).astype(np.float32))
    one = read_statistics(tmp_path / "adm.npz")
    assert np.linalg.eigvalsh(one.covariance)[0] < 0
    assert "Nothing is missing." in plan_lines(replace(recipe, references={"adm": str(tmp_path / "adm.npz")}))


def test_images_without_labels_must_be_as_many_as_the_requests(recipe: plan.EvaluateRecipe, tmp_path: Path) -> None:
    (tmp_path / "flat.toml").write_text('type = "samples"\nname = "flat"\npath = "flat.npz"\n')
    entry = plan.GeneratorEntry(generator=str(tmp_path / "flat.toml"), steps=(0,))
    images = np.random.default_rng(0).integers(0, 256, (2 * len(USED) * EACH, 32, 32, 3), np.uint8)
    for count in (len(images), len(images) // 2 - 1):
        np.savez(tmp_path / "flat.npz", arr_0=images[:count])
        message = f"{count} images without labels for {len(USED) * EACH} requests"
        refuse(replace(recipe, generators=(NOISE, entry)), message, tmp_path / "out")
    elsewhere = replace(recipe, generators=(NOISE, entry), split=tmp_path / "gone")
    assert "Not ready, see MISSING: the split." in plan_lines(elsewhere)
    np.savez(tmp_path / "flat.npz", arr_0=images[: len(USED) * EACH])
    assert "Nothing is missing." in plan_lines(replace(recipe, generators=(NOISE, entry)))


def test_samples_of_other_requests_are_refused_by_both(recipe: plan.EvaluateRecipe, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "made" / "n01440764").mkdir(parents=True)
    Image.new("RGB", (32, 32), (1, 2, 3)).save(tmp_path / "made" / "n01440764" / "0.png")
    (tmp_path / "made.toml").write_text('type = "samples"\nname = "made"\npath = "made"\n')
    entry = plan.GeneratorEntry(generator=str(tmp_path / "made.toml"), steps=(0,))
    message = f"no image for any of {len(USED) * EACH} requests"
    refuse(replace(recipe, generators=(entry,)), message, tmp_path / "out")


def test_weights_that_are_not_there_are_missing(recipe: plan.EvaluateRecipe, tmp_path: Path) -> None:
    lines = plan_lines(replace(recipe, protocol="clean", weights={"inception": str(tmp_path / "gone.pth")}))
    text = " ".join(" ".join(lines).split())  # long paths are wrapped
    assert f"MISSING inception: {tmp_path / 'gone.pth'} does not exist" in text
    assert "Not ready, see MISSING: the metrics' models." in lines


def test_where_models_are_not_here_it_is_said_what_is_seen_later(recipe: plan.EvaluateRecipe, tmp_path: Path) -> None:
    np.savez(tmp_path / "adm.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    np.savez(tmp_path / "short.npz", mu=np.zeros(64), sigma=np.eye(64))
    clean = replace(recipe, protocol="clean")
    text = " ".join(" ".join(plan_lines(replace(clean, references={"adm": str(tmp_path / "adm.npz")}))).split())
    assert "references.adm: whether it fits these models is seen when they are loaded" in text
    with pytest.raises(BadInput, match="have 64 dimensions; FID compares 2,048"):
        plan_lines(replace(clean, references={"adm": str(tmp_path / "short.npz")}))

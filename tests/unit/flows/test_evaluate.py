"""The flow `evaluate`: what cannot work is said before the first generator runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from relaionet.evaluators.sampling.shards import read_samples
from relaionet.flows import evaluate as flow
from relaionet.flows.cli.main import main
from relaionet.flows.evaluation import plan
from relaionet.flows.evaluation.recipe import read_evaluate_recipe
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.tables import SCORES
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.splits.build import build_split
from relaionet.pipeline.splits.plan import SplitConfig


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """One picture of a class that the miniature's generators do not know, one of a class that they do."""
    for place, wnid in enumerate(("n01440764", "n01443537")):
        (tmp_path / "set" / wnid).mkdir(parents=True)
        Image.new("RGB", (32, 32), (90 * place, 40, 120)).save(tmp_path / "set" / wnid / "1.png")
    adoption = plan_adoption(tmp_path / "set", AdoptConfig(name="set"))
    pictures = read_pictures(tmp_path / "set", [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(pictures, label_pictures(pictures, adoption))
    release = read_release(make_release(manifest, tmp_path / "releases", name="set", notes={}))
    build_split(release, SplitConfig(), tmp_path / "split", DownloadConfig(), images=tmp_path / "set")
    return tmp_path / "split"


def test_a_class_the_last_generator_does_not_know_is_said_before_the_first_runs(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def evaluate(*_: object) -> flow.Evaluation:
        started.append("evaluate")
        return flow.Evaluation(scores=SCORES.empty(), dead={})

    monkeypatch.setattr(flow, "evaluate", evaluate)
    entries = tuple(plan.GeneratorEntry(generator=name, steps=(0,)) for name in ("miniature-noise", "miniature-world"))
    recipe = plan.EvaluateRecipe(split=split, protocol="miniature", generators=entries)
    with pytest.raises(BadInput, match=r"knows 20 classes and not n01440764 \(1 of the split's 2 classes"):
        flow.run_evaluate(recipe, tmp_path / "out", report=False)
    assert not started
    assert not (tmp_path / "out").exists()
    noise = plan.EvaluateRecipe(split=split, protocol="miniature", generators=entries[:1])
    flow.run_evaluate(noise, tmp_path / "out", report=False)
    assert started == ["evaluate"]


MODEL = """
import numpy as np
from relaionet.evaluators.generators.protocol import Generated, GeneratorDied, Info

class Odd:
    def __init__(self, fault=""):
        self.info = Info(name="odd", native_size_px=8, guidance="baked", steps=(1, 4), natural_guidance=1.0)
        self.fault = fault
    def generate(self, batch, settings):
        if self.fault == "dies":
            raise GeneratorDied("out of memory")
        images = np.stack([np.random.default_rng(one.seed).integers(0, 256, (8, 8, 3), np.uint8) for one in batch])
        return Generated(images=images, nfe=[settings.steps] * len(batch))
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_odd_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_odd_model:Odd"
    sys.modules.pop("my_odd_model", None)


def test_a_generator_that_dies_stops_no_other(split: Path, tmp_path: Path, odd: str) -> None:
    entries = [plan.GeneratorEntry(generator=odd, name=name, options={"fault": name}) for name in ("dies", "lives")]
    recipe = plan.EvaluateRecipe(split=split, protocol="miniature", generators=tuple(entries))
    with pytest.raises(Unavailable, match=r"1 of 2 sets could not be made.*out of memory"):
        flow.run_evaluate(recipe, tmp_path / "out", report=False)
    scores = pl.read_parquet(tmp_path / "out" / "scores.parquet")
    assert "lives" in set(scores["generator"])
    assert "dies" not in set(scores["generator"])


def test_a_setting_it_cannot_honour_is_refused_or_told(split: Path, tmp_path: Path, odd: str) -> None:
    entry = plan.GeneratorEntry(generator=odd, steps=(1, 25), guidance=("natural", 7.0, 1.0))
    recipe = plan.EvaluateRecipe(split=split, protocol="miniature", generators=(entry,))
    with pytest.raises(BadInput, match="would never reach the network"):
        plan.plan_sets(recipe, tmp_path / "out")
    sets = plan.plan_sets(replace(recipe, unhonoured="record"), tmp_path / "out")
    assert [(one.asked.steps, one.asked.guidance) for one in sets] == [(1, 1.0), (1, 7.0), (25, 1.0), (25, 7.0)]
    assert [(one.settings.steps, one.settings.guidance) for one in sets] == [(1, 1.0), (1, 1.0), (4, 1.0), (4, 1.0)]
    assert [one.is_record_only for one in sets] == [False, True, True, True]
    assert sets[3].name == "odd (really 4 steps, guidance 1)"
    assert len({one.folder for one in sets}) == 4


def test_requests_are_written_for_images_made_elsewhere(split: Path, tmp_path: Path) -> None:
    """What the file asks for, made into pictures named by sample_id, is a generator of type `samples`."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'split = "{split}"\nprotocol = "miniature"\nprompt = "a {{class}}"\n'
        '[[generators]]\ngenerator = "mine.toml"\nsteps = [25]\n'
    )
    arguments = ["evaluate", "--recipe", str(recipe), "--requests", str(tmp_path / "requests.jsonl")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    requests = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert {one["prompt"] for one in requests} == {"a tench", "a goldfish"}
    (tmp_path / "made").mkdir()
    for one in requests:
        pixels = np.random.default_rng(one["seed"]).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "made" / f"{one['sample_id']}.png")
    (tmp_path / "mine.toml").write_text('type = "samples"\nname = "mine"\npath = "made"\nsteps = 25\n')
    flow.run_evaluate(read_evaluate_recipe(str(recipe)), tmp_path / "out", report=False)
    samples, images = read_samples(tmp_path / "out" / "samples" / "mine-steps25-guidance1")
    assert samples["status"].to_list() == ["ok"] * 2
    assert samples["sample_id"].to_list() == [one["sample_id"] for one in requests]
    for one, row in zip(requests, samples["row"], strict=True):
        pixels = np.random.default_rng(one["seed"]).integers(0, 256, (32, 32, 3), np.uint8)
        assert np.array_equal(images[row], pixels)


def test_a_plan_counts_the_calls_for_all_images_of_the_split(split: Path) -> None:
    done = CliRunner().invoke(main, ["evaluate", "--recipe", "paper", "--split", str(split), "--plan"])
    assert done.exit_code == 0, done.output
    assert "split set-v1: 2 images of every set" in done.output
    # four systems of one call a step, three of two, at 1 and 25 steps and two scales; the command's are not known
    assert f"forward calls: {2 * (4 * 52 + 3 * 104):,}, and those of sets" in done.output

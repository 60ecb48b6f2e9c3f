"""`relaionet evaluate --plan`: right about what will run, and nothing loaded or fetched to say so."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from relaionet.evaluators.generators.dry_run import ADAPTIVE, COUNTED
from relaionet.evaluators.generators.protocol import Settings
from relaionet.evaluators.generators.registry import load_generator, look_ahead
from relaionet.evaluators.generators.requests import make_requests
from relaionet.flows.cli.main import main
from relaionet.flows.evaluation.recipe import GeneratorEntry, read_evaluate_recipe
from relaionet.flows.terminal.evaluation_plan import plan_entry, plan_lines
from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from tests.unit.evaluators.generators.test_catalogue import PAPER

NAMES = ("RELAIONET_PYTHON", "RELAIONET_CODE", "RELAIONET_SCRIPT", "RELAIONET_WEIGHTS")


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache that is empty, and no way to a network or to weights."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a plan loads and fetches nothing")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_paper_s_recipe_is_all_its_systems_at_all_their_settings():
    recipe = read_evaluate_recipe("paper")
    assert {entry.generator for entry in recipe.generators} == PAPER
    assert (recipe.protocol, recipe.prompt, recipe.unhonoured) == ("paper", "a photo of a {class}", "record")
    for entry in recipe.generators:
        assert (entry.steps, entry.guidance) == ((1, 25), ("natural", 7.0))
    planned = {entry.generator: plan_entry(entry, recipe) for entry in recipe.generators}
    assert sum(len(sets) for _, sets in planned.values()) == 32
    recorded = {name for name, (_, sets) in planned.items() for one in sets if one.is_record_only}
    assert recorded == {"meanflow-b4", "soflow-xl2"}
    for name in recorded:
        assert [one.is_record_only for one in planned[name][1]] == [False, True, False, True]
    scales = {name: float(sets[0].asked.rpartition(" ")[2]) for name, (_, sets) in planned.items()}
    assert scales == {
        "meanflow-b4": 1, "imf-xl2": 6, "soflow-xl2": 1, "rae-ditdh-xl": 1.42, "scale-rae": 1.42, "sit-xl2": 1.5,
        "sd35-large": 3.5, "flux1-dev": 3.5,
    }  # fmt: skip
    calls = {name: [one.calls for one in sets] for name, (_, sets) in planned.items()}
    single, double = ["1", "1", "25", "25"], ["2", "2", "50", "50"]
    assert calls == {
        "meanflow-b4": single, "imf-xl2": single, "soflow-xl2": single, "flux1-dev": single, "rae-ditdh-xl": double,
        "sit-xl2": double, "sd35-large": double, "scale-rae": [COUNTED] * 4,
    }  # fmt: skip


def test_the_command_says_what_is_missing_and_where_it_is():
    done = CliRunner().invoke(main, ["evaluate", "--recipe", "paper", "--plan"])
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "The paper's settings: 32 sets, protocol paper" in text
    assert "MISSING meanflow-b4.safetensors: the code's README leads to a zip" in text
    assert "MISSING set RELAIONET_CODE: a checkout of its code" in text
    assert "fetched when it first runs: hf://Lyy0725/iMF/iMF-XL-2.pth" in text
    assert "stabilityai/stable-diffusion-3.5-large; gated: accept its terms" in text
    assert "Not ready, see MISSING: the split, MeanFlow-B/4, Scale-RAE 1.5B + 2.4B, SiT-XL/2." in text
    shown = CliRunner().invoke(main, ["evaluate", "--recipe", "paper", "--show"])
    assert 'generator = "flux1-dev"' in shown.output
    nowhere = CliRunner().invoke(main, ["evaluate", "--recipe", "paper"])
    assert nowhere.exit_code == 2
    assert "--out DIR" in nowhere.stderr
    wrong = CliRunner().invoke(main, ["evaluate", "--recipe", "papers", "--plan"])
    assert wrong.exit_code == 2
    assert "comes with the project (paper)" in wrong.stderr


def test_what_is_there_is_not_missing(tmp_path, monkeypatch):
    recipe = tmp_path / "mine.toml"
    text = CliRunner().invoke(main, ["evaluate", "--recipe", "paper", "--show"]).output
    recipe.write_text(text)
    for name in ("meanflow-b4.safetensors", "SiT-XL-2-256.pt"):
        (tmp_path / name).touch()
    monkeypatch.setenv("RELAIONET_PYTHON", sys.executable)
    monkeypatch.setenv("RELAIONET_CODE", str(tmp_path))
    cached = tmp_path / "cache" / "models--Lyy0725--iMF"
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    (cached / "snapshots" / "abc" / "iMF-XL-2.pth").touch()
    lines = plan_lines(read_evaluate_recipe(str(recipe)))
    assert "Not ready, see MISSING: the split." in lines
    assert "  here: hf://Lyy0725/iMF/iMF-XL-2.pth" in lines
    assert f"  here: {tmp_path / 'meanflow-b4.safetensors'}" in lines


@pytest.mark.parametrize("name", ["miniature-flow", "miniature-meanflow"])
def test_a_plan_is_what_a_run_counts(name):
    outlook, generator = look_ahead(name), load_generator(name)
    assert replace(outlook.info, weights=generator.info.weights) == generator.info
    label = read_labels()[generator.info.class_indices[0]]
    rows = {"candidate_id": ["a"], "wnid": [label.wnid], "class_index": [label.class_index]}
    import polars as pl

    request = make_requests(pl.DataFrame(rows), base_seed=0, split_name="s")
    for steps, guidance in ((1, 1.0), (3, 1.0), (3, 4.0)):
        settings = Settings(steps=steps, guidance=guidance)
        made = generator.generate(request, settings)
        assert [outlook.calls(settings)] == [str(count) for count in made.nfe]


def test_an_adaptive_solver_and_a_command_count_when_they_run(monkeypatch, tmp_path):
    assert look_ahead("sit-xl2-dopri5").calls(Settings(steps=1, guidance=1.5)) == ADAPTIVE
    outlook = look_ahead("imm-xl2")
    assert outlook.calls(Settings(steps=1)) == COUNTED
    assert {one.split(":")[0] for one in outlook.missing} == {
        "set RELAIONET_PYTHON", "set RELAIONET_CODE", "set RELAIONET_WEIGHTS",
    }  # fmt: skip
    given = {"RELAIONET_PYTHON": "python", "RELAIONET_CODE": "code", "RELAIONET_WEIGHTS": "a.pkl"}
    assert look_ahead("imm-xl2", {"environment": given}).missing == ()


def test_what_only_loading_can_tell_is_said_and_stops_nothing(tmp_path):
    (tmp_path / "mine.toml").write_text('type = "samples"\nname = "mine"\npath = "none"\n')
    recipe = read_evaluate_recipe("paper")
    entries = (
        GeneratorEntry(generator=str(tmp_path / "mine.toml")),
        GeneratorEntry(generator="miniature-noise", steps=(0,)),
    )
    text = "\n".join(plan_lines(replace(recipe, generators=entries)))
    assert "MISSING samples" in text
    assert "miniature-noise" in text
    with pytest.raises(BadInput, match="no generator is called 'nobody'"):
        plan_lines(replace(recipe, generators=(GeneratorEntry(generator="nobody"),)))
    with pytest.raises(BadInput, match="cannot be run"):
        plan_lines(replace(recipe, generators=(GeneratorEntry(generator="slimflow"),)))
    strict = replace(recipe, unhonoured="error", generators=recipe.generators[:1])
    with pytest.raises(BadInput, match="would never reach the network"):
        plan_lines(strict)

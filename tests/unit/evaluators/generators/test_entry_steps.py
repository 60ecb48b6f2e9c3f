"""n steps are n calls of the network, 2n with guidance: held for every entry of the catalogue we sample ourselves."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from relaionet.evaluators.generators.catalogue import Entry, catalogue_names, find_entry, read_entry
from relaionet.evaluators.generators.flow_maps.sampler import sample_flow_map
from relaionet.evaluators.generators.protocol import Settings, by_steps
from relaionet.evaluators.generators.registry import load_generator, look_ahead
from relaionet.evaluators.generators.requests import make_requests
from relaionet.manifests.errors import BadInput
from tests.fakes.checkouts.imm import write_imm
from tests.fakes.checkouts.scale_rae import expected_pixel, write_scale_rae
from tests.fakes.hub import models
from tests.unit.evaluators.sampling.test_sample import split_of

ENTRIES = [read_entry(name) for name in catalogue_names()]
NUMBERS = (1, 2, 3, 4, 7, 25)
SCRIPTS = Path(str(find_entry("scale-rae"))).parent / "commands"


def entries(kind: str) -> list[Any]:
    return [pytest.param(one, id=one.slug) for one in ENTRIES if one.adapter == kind]


def pipeline_of(one: Any) -> str:
    return str(one.values[0].options["pipeline"])


def numbers_of(entry: Entry) -> Sequence[int]:
    return entry.options.get("steps", NUMBERS)


# --- backbones of ours


@pytest.mark.parametrize("entry", entries("flow_map"))
def test_a_backbone_is_called_once_a_step(entry: Entry) -> None:
    """Its own sampler at each number of steps, with a network that counts and leads straight to the data."""
    from relaionet.evaluators.generators.adapters.flow_map import plan_of
    from relaionet.evaluators.generators.registry import read_definition

    found = read_definition(entry.slug)
    assert found is not None
    plan = plan_of(found)
    passes = 2 if plan.spec.guidance in ("two_pass", "autoguidance") else 1
    scales = (1.0,) if plan.spec.guidance in ("none", "baked") else (1.0, 2.5)
    for steps in numbers_of(entry):
        for scale in scales:
            calls: list[int] = []

            def network(x: torch.Tensor, t: torch.Tensor, *_: Any, calls: list[int] = calls) -> torch.Tensor:
                calls.append(len(x))
                return x * 0.5

            _, counted = sample_flow_map(
                network, plan.spec_at(steps), labels=[3, 4], seeds=[1, 2], shape=(4, 2, 2), null_label=1000,
                steps=steps, guidance=scale, weak=network,
            )  # fmt: skip
            if plan.spec.step_rule == "dopri5":  # counts what it takes
                assert max(counted) == len(calls) >= 7
                assert look_ahead(entry.slug).calls(Settings(steps=steps, guidance=scale)) == "adaptive"
                continue
            expected = steps * (passes if scale != 1 else 1)
            assert counted == [expected, expected]
            assert len(calls) == expected
            assert look_ahead(entry.slug).calls(Settings(steps=steps, guidance=scale)) == str(expected)


# --- pipelines of diffusers, the real ones at the size of toys


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pipelines")
    models.make_dit_pipeline(root / "DiTPipeline")
    models.make_prompt_pipeline(root / "StableDiffusionPipeline")
    models.make_consistency_pipeline(root / "ConsistencyModelPipeline")
    return root


# SDXL's pipeline goes through its scheduler's timesteps as that of Stable Diffusion does
STAND_INS = {"StableDiffusionXLPipeline": "StableDiffusionPipeline"}
# schedulers that the models of entries without a `class` of their own come with, by their model cards' configurations
MODELS_OWN = {
    "StableDiffusionXLPipeline": "EulerDiscreteScheduler", "StableDiffusionPipeline": "EulerDiscreteScheduler",
    "DiTPipeline": "DDIMScheduler", "ConsistencyModelPipeline": "CMStochasticIterativeScheduler",
}  # fmt: skip


@pytest.mark.parametrize("entry", [one for one in entries("diffusers") if pipeline_of(one) in MODELS_OWN])
def test_a_pipeline_calls_its_network_once_a_step(entry: Entry, pipelines: Path) -> None:
    kind = str(entry.options["pipeline"])
    own = dict(entry.options.get("scheduler", {}))
    replaced = {
        "model": str(pipelines / STAND_INS.get(kind, kind)), "pipeline": STAND_INS.get(kind, kind),
        "scheduler": {"class": MODELS_OWN[kind], **own}, "components": {}, "loras": [], "precision": "float32",
        "native_size_px": 8,
    }  # fmt: skip
    call = {name: value for name, value in entry.options.get("call", {}).items() if name not in ("height", "width")}
    generator = load_generator(entry.slug, **replaced, call=call)
    requests = make_requests(split_of(1), base_seed=1, split_name="s")
    for steps in entry.options.get("steps", (1, 2, 5)):
        for scale in {1.0, generator.info.natural_at(steps)}:
            made = generator.generate(requests, Settings(steps=steps, guidance=scale))
            assert list(made.nfe) == [steps * (2 if scale > 1 else 1)]


@pytest.mark.parametrize("entry", [one for one in entries("diffusers") if pipeline_of(one) not in MODELS_OWN])
def test_a_scheduler_takes_as_many_steps_as_are_asked_for(entry: Entry) -> None:
    """Those whose pipelines are too large for a toy are held at their schedulers and at the pipeline's own checks."""
    import diffusers

    kind = str(entry.options["pipeline"])
    for steps in numbers_of(entry):
        if kind != "SanaSprintPipeline":
            scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
            scheduler.set_timesteps(steps)
            assert len(scheduler.timesteps) == steps
            continue
        own = dict(by_steps(entry.options["call_by_steps"], dict, "call")).get(steps, {"intermediate_timesteps": 1.3})
        between = None if own["intermediate_timesteps"] == "none" else own["intermediate_timesteps"]
        scheduler = diffusers.SCMScheduler()
        scheduler.set_timesteps(steps, max_timesteps=1.5708, intermediate_timesteps=between)
        assert len(scheduler.timesteps) - 1 == steps  # the pipeline leaves the last out, which is the image


def test_arguments_by_number_of_steps_reach_the_pipeline(pipelines: Path) -> None:
    generator = load_generator(
        "relaionet.evaluators.generators.adapters.diffusers:make_diffusers", name="sd", guidance="none",
        model=str(pipelines / "StableDiffusionPipeline"), native_size_px=8,
        call={"guidance_scale": 0.0, "eta": 0.5}, call_by_steps={"2": {"eta": 1.0, "clip_skip": "none"}},
    )  # fmt: skip
    seen: list[dict[str, Any]] = []
    kind = type(generator.pipeline)

    class Watched(kind):  # type: ignore[misc, valid-type]
        def __call__(self, prompt=None, eta=0.0, clip_skip=1, num_inference_steps=0, output_type=None, **_):  # type: ignore[no-untyped-def]
            seen.append({"eta": eta, "clip_skip": clip_skip, "steps": num_inference_steps})
            return type("Made", (), {"images": np.random.default_rng(0).random((1, 8, 8, 3))})

    generator.pipeline.__class__ = Watched
    requests = make_requests(split_of(1), base_seed=1, split_name="s")
    for steps in (1, 2):
        generator.generate(requests, Settings(steps=steps))
    assert seen == [{"eta": 0.5, "clip_skip": 1, "steps": 1}, {"eta": 1.0, "clip_skip": None, "steps": 2}]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"two": {"eta": 1.0}}, "no table by number of steps"),
        ({"0": {"eta": 1.0}}, "expected 1 or more"),
        ({"2": 1.0}, "no table by number of steps"),
        ({"2": {"output": "np"}}, "Did you mean 'output_type'"),
        ({"2": {"timesteps": [1]}}, "follows from the requests and settings"),
    ],
)
def test_a_wrong_table_by_number_of_steps_is_named(pipelines: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_generator(
            "relaionet.evaluators.generators.adapters.diffusers:make_diffusers", name="dit", guidance="none",
            model=str(pipelines / "DiTPipeline"), condition="class", native_size_px=4, call_by_steps=table,
        )  # fmt: skip


# --- scripts around authors' code


def run_script(name: str, folder: Path, steps: int, guidance: float, prompts: Sequence[str]) -> list[tuple[int, Path]]:
    """Run a script as its own environment would, in this process; calls and picture of each request."""
    (folder / "out").mkdir(parents=True)
    requests = [
        {"sample_id": f"s{row}", "class_index": row, "prompt": prompt, "seed": 2**40 + row}
        for row, prompt in enumerate(prompts)
    ]
    (folder / "requests.jsonl").write_text("".join(json.dumps(one) + "\n" for one in requests))
    settings = {"steps": steps, "guidance": guidance}
    head = {"schema": 1, "settings": settings, "requests": "requests.jsonl", "out": "out"}
    (folder / "job.json").write_text(json.dumps(head))
    before, path = set(sys.modules), list(sys.path)
    try:
        sys.path.insert(0, str(SCRIPTS))
        sys.argv[1:] = [str(folder)]
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    finally:
        sys.path[:] = path
        for module in set(sys.modules) - before:
            if str(getattr(sys.modules[module], "__file__", "") or "").startswith((str(folder.parent), str(SCRIPTS))):
                del sys.modules[module]
    calls = json.loads((folder / "out" / "meta.json").read_text())["nfe"]
    return [(calls[one["sample_id"]], folder / "out" / f"{one['sample_id']}.png") for one in requests
            if one["sample_id"] in calls]  # fmt: skip


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("RELAIONET_DEVICE", "cpu")
    monkeypatch.setattr(sys, "argv", ["script"])
    return monkeypatch


@pytest.mark.parametrize(
    ("steps", "guidance"), [(1, 1.0), (1, 2.0), (2, 1.0), (3, 2.0), (25, 1.0), (25, 2.0), (999, 1.0)]
)
def test_scale_rae_makes_n_calls_and_ends_at_its_image(
    tmp_path: Path, here: pytest.MonkeyPatch, steps: int, guidance: float
) -> None:
    """Euler's rule is exact for a velocity that leads straight to the image, where every interval is gone through."""
    here.setenv("RELAIONET_CODE", str(write_scale_rae(tmp_path / "code")))
    for calls, picture in run_script("scale_rae.py", tmp_path / "job", steps, guidance, ["a tench", "a crane"]):
        assert calls == steps * (2 if guidance > 1 else 1)
        pixels = np.asarray(Image.open(picture), dtype=float).transpose(2, 0, 1).ravel()
        wanted = np.array([expected_pixel(place, guidance) for place in range(48)])
        assert np.abs(pixels - wanted).max() < 12  # the noise left at the first time, 0.0084


def test_scale_rae_counts_each_request_by_itself(tmp_path: Path, here: pytest.MonkeyPatch) -> None:
    here.setenv("RELAIONET_CODE", str(write_scale_rae(tmp_path / "code")))
    made = run_script("scale_rae.py", tmp_path / "job", 4, 1.0, ["no picture", "a crane", "no picture", "a tench"])
    assert [calls for calls, _ in made] == [4, 4]


@pytest.mark.parametrize("steps", [0, 1000])
def test_scale_rae_says_how_many_steps_it_takes(tmp_path: Path, here: pytest.MonkeyPatch, steps: int) -> None:
    here.setenv("RELAIONET_CODE", str(write_scale_rae(tmp_path / "code")))
    with pytest.raises(SystemExit, match=f"{steps} steps asked for; Scale-RAE's flow takes 1 to 999"):
        run_script("scale_rae.py", tmp_path / "job", steps, 1.0, ["a tench"])


@pytest.mark.parametrize(("steps", "guidance"), [(1, 1.0), (1, 1.5), (2, 1.5), (8, 1.0)])
def test_imm_makes_n_calls(tmp_path: Path, here: pytest.MonkeyPatch, steps: int, guidance: float) -> None:
    code = write_imm(tmp_path / "code")
    here.setenv("RELAIONET_CODE", str(code))
    here.setenv("RELAIONET_WEIGHTS", str(code / "weights.pkl"))
    made = run_script("imm.py", tmp_path / "job", steps, guidance, ["a tench", "a crane", "a goldfish"])
    assert [calls for calls, _ in made] == [steps * (1 if guidance == 1 else 2)] * 3


def test_every_script_of_ours_is_held() -> None:
    """An entry that runs a script which comes with the project has its calls counted above."""
    ours = {name for one in ENTRIES if one.adapter == "command" for name in one.options.get("identity", ())}
    assert ours == {"commands/job.py", "commands/scale_rae.py", "commands/imm.py"}

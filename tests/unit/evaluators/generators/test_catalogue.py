"""The catalogue: every entry can be read, says where it comes from, and names nothing that does not exist."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys

import pytest
import torch
from click.testing import CliRunner

from relaionet.evaluators.generators.catalogue import catalogue_names, read_entry
from relaionet.evaluators.generators.flow_maps import checkpoints, codecs
from relaionet.evaluators.generators.flow_maps import sampler as flow_map
from relaionet.evaluators.generators.flow_maps.networks import BACKBONES, _fill
from relaionet.evaluators.generators.registry import adapter_kinds, get_adapter, load_generator
from relaionet.flows.cli.main import main
from relaionet.manifests.errors import BadInput

ENTRIES = [read_entry(name) for name in catalogue_names()]
PAPER = {"meanflow-b4", "imf-xl2", "soflow-xl2", "rae-ditdh-xl", "scale-rae", "sit-xl2", "sd35-large", "flux1-dev"}


# systems that the literature compares with, and the entries that stand for each
NAMED = {
    "SANA-Sprint": "sana-sprint-0.6b sana-sprint-1.6b", "SD-Turbo": "sd-turbo", "SDXL-Turbo": "sdxl-turbo",
    "SDXL-Lightning": "sdxl-lightning-1step sdxl-lightning-4step", "Hyper-SD": "hyper-sdxl-1step hyper-sdxl-8step",
    "DMD2": "dmd2-sdxl-1step dmd2-sdxl-4step", "Diff-Instruct*": "diff-instruct-star",
    "Consistency Models": "cd-imagenet64-l2 cd-imagenet64-lpips", "APEX": "apex", "TwinFlow": "twinflow",
    "SIM": "sim-pixart",
    "ECT": "ect-cifar10", "IMM": "imm-xl2", "TVM": "tvm-xl2", "Shortcut": "shortcut-xl2", "Re-MeanFlow": "re-meanflow",
    "SiD": "sid", "DMD": "dmd", "InstaFlow": "instaflow", "SwiftBrush v2": "swiftbrush-v2", "YOSO": "yoso",
    "SCFlow": "scflow", "UFOGen": "ufogen", "f-distill": "f-distill", "EM Distillation": "em-distillation",
    "Distilled Decoding 1": "distilled-decoding-1", "Distilled Decoding 2": "distilled-decoding-2",
    "Align Your Flow": "align-your-flow", "UCGM": "ucgm", "Adversarial Flow Models": "adversarial-flow", "GET": "get",
    "SlimFlow": "slimflow", "iSM": "ism", "Modular MeanFlow": "modular-meanflow", "FGM": "fgm", "FlowFit": "flowfit",
}  # fmt: skip


@pytest.mark.parametrize("system", NAMED)
def test_a_system_of_the_literature_says_how_it_is_reached_and_where_its_weights_are(system):
    for slug in NAMED[system].split():
        entry = read_entry(slug)
        shown = " ".join(CliRunner().invoke(main, ["generators", "show", slug]).output.split())
        if entry.adapter == "none":
            assert f"reached by: nothing: {entry.about.why}" in shown
            continue
        assert f"reached by: {entry.adapter}" in shown
        assert re.search(r"hf://[\w.-]+/[\w.-]+|README|download|Google Drive", entry.about.weights), entry.about.weights
        assert f"({entry.about.access})" in shown


def names(kind: str) -> list:
    return [pytest.param(one, id=one.slug) for one in ENTRIES if one.adapter == kind]


def test_the_eight_systems_of_the_paper_are_there_with_their_settings():
    assert set(catalogue_names()) >= PAPER
    for name in PAPER:
        settings = read_entry(name).about.paper_settings
        assert 25 in settings["steps"]
        assert "natural" in settings["guidance"]


@pytest.mark.parametrize("entry", [pytest.param(one, id=one.slug) for one in ENTRIES])
def test_an_entry_says_what_it_is(entry):
    about = entry.about
    assert about.condition in ("class", "prompt")
    if entry.adapter == "none":
        assert about.why.endswith(".")
        with pytest.raises(BadInput, match="cannot be run"):
            load_generator(entry.slug)
        return
    assert entry.adapter in adapter_kinds()
    assert about.paper or about.code
    assert about.weights
    assert not about.why
    known = get_adapter(entry.adapter).keys()
    from relaionet.evaluators.generators.protocol import Info

    allowed = {*known, *(field.name for field in dataclasses.fields(Info))}
    assert set(entry.options) <= allowed


@pytest.mark.parametrize("entry", names("flow_map"))
def test_a_backbone_and_its_sampler_can_be_made_of_an_entry(entry):
    options = entry.options
    kind, config_kind = BACKBONES[options["backbone"]]
    config = _fill(config_kind, options["network"], entry.slug)
    with torch.device("meta"):
        network = kind(config)
    assert sum(parameter.numel() for parameter in network.parameters()) > 50e6
    spec = _fill(flow_map.FlowMapSpec, options["sampler"], entry.slug)
    codec = _fill(codecs.CodecConfig, options["codec"], entry.slug)
    _fill(checkpoints.CheckpointConfig, options.get("checkpoint", {}), entry.slug)
    assert codec.image_size_px == 256
    assert config.num_classes == 1000
    if spec.guidance == "autoguidance":
        assert set(options["guide"]) == {"weights", "network"}
    if spec.guidance in ("none", "baked"):
        assert options.get("natural_guidance", 1) == 1


@pytest.mark.parametrize("entry", names("diffusers"))
def test_classes_and_arguments_of_a_pipeline_exist_in_diffusers(entry):
    import diffusers

    options = entry.options
    kind = getattr(diffusers, options["pipeline"])
    known = inspect.signature(kind.__call__).parameters
    needed = {"class_labels" if options.get("condition") == "class" else "prompt", *options.get("call", {})}
    needed |= {"timesteps"} if "timesteps" in options else set()
    assert needed <= set(known)
    scheduler = dict(options.get("scheduler", {}))
    if "class" in scheduler:
        made = getattr(diffusers, scheduler.pop("class"))(**scheduler)
        assert set(scheduler) <= set(made.config)
    for steps in options.get("timesteps", {}):
        assert int(steps) in options["steps"]


def test_list_and_show_load_nothing():
    listed = CliRunner().invoke(main, ["generators", "list", "--all"])
    assert listed.exit_code == 0, listed.output
    assert all(name in listed.output for name in [*PAPER, "miniature-flow"])
    shown = CliRunner().invoke(main, ["generators", "show", "soflow-xl2"])
    assert "zlab-princeton/SoFlow" in shown.output
    assert "never reaches the network" in " ".join(shown.output.split())
    file = CliRunner().invoke(main, ["generators", "show", "soflow-xl2", "--toml"])
    assert 'type = "flow_map"' in file.output
    wrong = CliRunner().invoke(main, ["generators", "show", "soflow-xl"])
    assert wrong.exit_code == 2
    assert "Did you mean 'soflow-xl2'" in wrong.output + (wrong.stderr or "")


@pytest.mark.parametrize("entry", names("command"))
def test_a_command_entry_can_be_made_once_its_script_is_named(entry):
    generator = load_generator(entry.slug)
    assert generator.info.name == entry.name
    assert all((generator.folder / one).is_file() for one in entry.options.get("identity", ()))


def test_the_script_to_start_from_makes_images_of_its_own(tmp_path, monkeypatch):
    """In this interpreter's own environment, with job.py alone beside it."""
    script = CliRunner().invoke(main, ["generators", "script", "--folder", str(tmp_path / "mine")])
    assert script.exit_code == 0, script.output
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["job.py", "yours.py"]
    monkeypatch.setenv("RELAIONET_PYTHON", sys.executable)
    monkeypatch.setenv("RELAIONET_SCRIPT", str(tmp_path / "mine" / "yours.py"))
    done = CliRunner().invoke(
        main, ["generators", "check", "ect-cifar10", "--option", "native_size_px=64", "--steps", "2"]
    )
    assert done.exit_code == 0, done.output
    assert "2 per image at 2 steps" in done.output

"""`relaionet generators check` finds each of the faults that make scores worthless."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from relaionet.evaluators.generators.check import check_generator
from relaionet.evaluators.generators.protocol import Generated, GeneratorDied, Info, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.flows.cli.main import main
from relaionet.manifests.errors import BadInput


class Model:
    """Sound, but for the fault it is given."""

    def __init__(self, fault: str = "", **about: object) -> None:
        given = {"name": "m", "native_size_px": 8, "guidance": "two_pass", "licence": "MIT", "weights": "x", **about}
        self.info = Info(**given)  # type: ignore[arg-type]
        self.fault, self.calls = fault, 0

    def generate(self, batch, settings):
        self.calls += 1
        if self.fault == "dies":
            raise GeneratorDied("no memory")
        images = []
        for place, request in enumerate(batch):
            seed = [request.seed, request.class_index, int(100 * settings.guidance)]
            if self.fault == "global noise":
                seed = [self.calls, place]
            if self.fault == "batch":
                seed += [len(batch)]
            if self.fault == "place":
                seed = [place, len(batch) > 1, request.seed % 2]
            if self.fault == "no seed":
                seed[0] = 0
            if self.fault == "no guidance":
                seed[2] = 0
            images.append(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))
        stacked = np.stack(images)
        if self.fault == "size":
            stacked = stacked.repeat(2, axis=1)
        nfe = [None if self.fault == "no count" else settings.steps] * len(batch)
        return Generated(images=stacked, nfe=nfe)


def verdicts(model: Model, **how: object) -> dict[str, str]:
    return {one.about: one.verdict for one in check_generator(model, **how).findings}  # type: ignore[arg-type]


def test_a_sound_generator_is_sound():
    trial = check_generator(Model())
    assert trial.is_sound
    assert {one.verdict for one in trial.findings} == {"ok"}
    assert trial.images.shape == (4, 8, 8, 3)


@pytest.mark.parametrize(
    ("fault", "about", "verdict"),
    [
        ("global noise", "batch size", "problem"),
        ("global noise", "order", "problem"),
        ("batch", "batch size", "problem"),
        ("place", "order", "problem"),
        ("no seed", "seed", "problem"),
        ("no guidance", "guidance", "problem"),
        ("no count", "forward calls", "note"),
        ("size", "images", "problem"),
        ("dies", "images", "problem"),
    ],
)
def test_a_fault_is_found(fault, about, verdict):
    assert verdicts(Model(fault))[about] == verdict


def test_what_says_it_is_not_deterministic_is_noted_only():
    assert verdicts(Model("batch", deterministic=False))["batch size"] == "note"


def test_guidance_that_cannot_be_varied_is_no_fault():
    assert verdicts(Model("no guidance", guidance="baked"))["guidance"] == "ok"
    fixed = Model("no guidance", guidance_range=(2.0, 2.0), natural_guidance=2.0)
    assert verdicts(fixed)["guidance"] == "note"
    with pytest.raises(BadInput, match="would never reach"):
        check_generator(Model(guidance="none"), Settings(guidance=7.0))


def test_the_miniature_generators_are_sound():
    for name in ("miniature-flow", "miniature-meanflow", "miniature-noise"):
        assert check_generator(load_generator(name)).is_sound, name


def test_the_command_says_it_writes_the_images_and_exits_by_it(tmp_path: Path, monkeypatch):
    (tmp_path / "my_checked_model.py").write_text(
        "from tests.unit.evaluators.generators.test_check import Model\n"
        "class Bad(Model):\n    def __init__(self):\n        super().__init__('no seed')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    done = CliRunner().invoke(
        main, ["generators", "check", "miniature-flow", "--steps", "2", "--images", str(tmp_path / "four.png")]
    )
    assert done.exit_code == 0, done.output
    assert "batch size     changes no byte" in done.output
    assert Image.open(tmp_path / "four.png").size == (4 * 32, 32)
    bad = CliRunner().invoke(main, ["generators", "check", "my_checked_model:Bad"])
    assert bad.exit_code == 2
    assert "PROBLEM seed" in bad.output
    sys.modules.pop("my_checked_model", None)

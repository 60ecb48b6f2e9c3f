"""Settings that authors publish for one number of steps: the scale, and how the network is sampled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from relaionet.evaluators.generators.adapters.flow_map import plan_of
from relaionet.evaluators.generators.check import default_settings
from relaionet.evaluators.generators.protocol import Info, Settings, make_info
from relaionet.evaluators.generators.registry import load_generator, look_ahead, read_definition
from relaionet.evaluators.generators.requests import make_requests
from relaionet.flows.cli.main import main
from relaionet.flows.evaluation.plan import sets_of
from relaionet.flows.evaluation.recipe import EvaluateRecipe, GeneratorEntry
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import digest_of
from tests.unit.evaluators.sampling.test_sample import split_of

CLASSES = read_definition("miniature-flow").options["class_indices"]  # type: ignore[union-attr]


def test_imf_xl_has_its_authors_setting_at_two_calls() -> None:
    """configs/eval_config.yml of Lyy-iiis/imeanflow, for XL/2 and for XL/2 at 2 calls."""
    plan = plan_of(read_definition("imf-xl2"))  # type: ignore[arg-type]
    found = {
        steps: (plan.info.natural_at(steps), plan.spec_at(steps).guidance_low, plan.spec_at(steps).guidance_high)
        for steps in (1, 2, 3, 25)
    }
    assert found == {1: (8.0, 0.42, 0.62), 2: (4.0, 0.36, 0.64), 3: (8.0, 0.42, 0.62), 25: (8.0, 0.42, 0.62)}
    assert plan.spec_at(2).interval_input
    shown = CliRunner().invoke(main, ["generators", "show", "imf-xl2"]).output
    assert "natural scale 8, 4 at 2 steps" in shown


def test_natural_in_a_recipe_is_that_of_each_number_of_steps(tmp_path: Path) -> None:
    info = look_ahead("imf-xl2").info
    assert info is not None
    entry = GeneratorEntry(generator="imf-xl2", steps=(1, 2), guidance=("natural", 7.0, 4.0))
    sets = sets_of(entry, info, EvaluateRecipe(split=tmp_path, generators=(entry,)), tmp_path)
    assert [(one.settings.steps, one.settings.guidance) for one in sets] == [
        (1, 8.0), (1, 7.0), (1, 4.0), (2, 4.0), (2, 7.0),
    ]  # fmt: skip
    assert (
        default_settings(Info(name="x", native_size_px=8, steps=(2, 4), natural_by_steps=((2, 3.0),))).guidance == 3.0
    )


def sampled(by_steps: Any = None, **changed: Any) -> Any:
    options = dict(read_definition("miniature-flow").options)  # type: ignore[union-attr]
    return load_generator("miniature-flow", sampler={**options["sampler"], **changed}, sampler_by_steps=by_steps)


def test_the_sampler_of_a_number_of_steps_is_used_there_and_recorded() -> None:
    plain, heun = sampled(), sampled(step_rule="heun")
    both = sampled(by_steps={"2": {"step_rule": "heun"}, "3": {"quantise": "truncate"}})
    split = split_of(400)
    requests = [one for one in make_requests(split, base_seed=1, split_name="s") if one.class_index in CLASSES][:3]
    assert requests
    for steps, like in ((1, plain), (2, heun), (4, plain)):
        ours, theirs = (one.generate(requests, Settings(steps=steps)) for one in (both, like))
        assert np.array_equal(ours.images, theirs.images)
        assert list(ours.nfe) == list(theirs.nfe)
        assert both.describe(Settings(steps=steps))["sampler"] == like.describe(Settings(steps=steps))["sampler"]
    rounded, cut = (one.generate(requests, Settings(steps=3)).images.astype(int) for one in (plain, both))
    assert set(np.unique(rounded - cut)) == {0, 1}


@pytest.mark.parametrize(
    ("by_steps", "message"),
    [
        ({"0": {"step_rule": "heun"}}, "expected 1 or more"),
        ({"one": {"step_rule": "heun"}}, "no table by number of steps"),
        ({"2": "heun"}, "no table by number of steps"),
        ({"2": {"step_rul": "heun"}}, "Did you mean 'step_rule'"),
        ({"2": {"step_rule": "hein"}}, "Did you mean 'heun'"),
        ({"2": {"guidance": "baked"}}, "cannot be of another kind"),
        (3, "no table by number of steps"),
    ],
)
def test_a_wrong_sampler_by_steps_is_named(by_steps: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        sampled(by_steps=by_steps)


@pytest.mark.parametrize("table", [{"two": 3.0}, {"2": "high"}, {"-1": 3.0}, 3, {"2": float("nan")}])
def test_a_wrong_scale_by_steps_is_named(table: Any) -> None:
    with pytest.raises(BadInput, match="natural_by_steps"):
        make_info({"native_size_px": 8, "natural_by_steps": table}, name="x")


def test_generators_without_keep_the_digests_of_their_samples() -> None:
    """Samples of earlier versions are found done: the field counts only where it is set."""
    info, other = (Info(name="x", native_size_px=8, natural_by_steps=one) for one in ((), ((2, 4.0),)))
    assert digest_of(info) != digest_of(other)
    assert digest_of(info) == digest_of({
        "name": "x", "native_size_px": 8, "guidance": "none", "guidance_range": [0.0, float("inf")],
        "natural_guidance": 1.0, "steps": None, "class_indices": None, "deterministic": True, "licence": "unknown",
        "weights": "none",
    })  # fmt: skip

"""The sampler against fields whose answers are known."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.evaluators.generators.flow_maps.codecs import quantise
from relaionet.evaluators.generators.flow_maps.sampler import sample_flow_map, sample_padded
from relaionet.evaluators.generators.flow_maps.spec import FlowMapSpec, make_grid
from relaionet.manifests.errors import BadInput
from tests.depth import deep

SHAPE = (4, 2, 3)
DATA = torch.linspace(-1, 1, 24).reshape(1, *SHAPE)
SEEDS = [7, 2**63 - 1, 0]


def noise_of(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


class LinearField:
    """All noise goes to DATA: u = e - x, the same at every time; e is found back from the state."""

    def __init__(self, noise_at: int, time_scale: float = 1.0) -> None:
        self.noise_at, self.time_scale, self.calls = noise_at, time_scale, 0

    def __call__(self, x: torch.Tensor, t: torch.Tensor, *_: Any) -> torch.Tensor:
        self.calls += 1
        t = (t / self.time_scale).view(-1, 1, 1, 1)
        level = t if self.noise_at == 1 else 1 - t
        # x = (1 - level) DATA + level e; at level 0 the field is not decided by the state, and is not asked for
        e = (x - (1 - level) * DATA) / level.clamp_min(1e-6)
        return (e - DATA) if self.noise_at == 1 else (DATA - e)


def run(network: Any, spec: FlowMapSpec, steps: int, guidance: float = 1.0, labels: list[int] | None = None) -> Any:
    return sample_flow_map(
        network,
        spec,
        labels=labels or [0, 1, 2],
        seeds=SEEDS,
        shape=SHAPE,
        null_label=9,
        steps=steps,
        guidance=guidance,
    )


@pytest.mark.parametrize("noise_at", [0, 1])
@pytest.mark.parametrize("time_scale", [1.0, 1000.0])
@pytest.mark.parametrize("rule", ["jump", "jump_renoise", "euler"])
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("second", ["r", "h"])
def test_a_linear_field_is_followed_exactly(noise_at, time_scale, rule, steps, second):
    field = LinearField(noise_at, time_scale)
    spec = FlowMapSpec(noise_at=noise_at, time_scale=time_scale, step_rule=rule, second_time=second)
    x, calls = run(field, spec, steps)
    torch.testing.assert_close(x, DATA.expand(3, -1, -1, -1), atol=2e-5, rtol=0)
    assert set(calls) == {field.calls} == {steps}


@pytest.mark.parametrize(
    "grid", [{"grid": "shifted", "shift": 6.928}, {"grid": "explicit", "noise_levels": (1, 0.9, 0.1, 0)}]
)
def test_other_grids_reach_the_data_too(grid):
    x, _ = run(LinearField(1), FlowMapSpec(**grid), 3)
    torch.testing.assert_close(x, DATA.expand(3, -1, -1, -1), atol=2e-5, rtol=0)


def test_shifted_grid_is_rae_s():
    levels = make_grid(FlowMapSpec(grid="shifted", shift=6.928), 4)
    assert levels == pytest.approx([6.928 * t / (1 + 5.928 * t) for t in (1, 0.75, 0.5, 0.25, 0)])


def decay(x: torch.Tensor, t: torch.Tensor, *_: Any) -> torch.Tensor:
    """dx/dt = x cos(3 t): from t = 1 to 0 the state is multiplied by exp(-sin(3) / 3)."""
    return x * torch.cos(3 * t).view(-1, 1, 1, 1)


@pytest.mark.parametrize(("rule", "order"), [("euler", 1), ("heun", 2)])
def test_order_of_convergence(rule, order):
    exact = torch.stack([noise_of(seed) for seed in SEEDS]) * math.exp(-math.sin(3) / 3)
    errors = [float((run(decay, FlowMapSpec(step_rule=rule), n)[0] - exact).abs().max()) for n in (8, 16, 32)]
    ratios = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert sum(ratios) / 2 == pytest.approx(order, abs=0.15)


def test_heun_counts_two_calls_a_step():
    assert run(decay, FlowMapSpec(step_rule="heun"), 5)[1] == [10] * 3


def classes(x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor, *_: Any) -> torch.Tensor:
    """A constant velocity that is the label."""
    return torch.ones_like(x) * labels.view(-1, 1, 1, 1)


def test_two_pass_guidance_mixes_as_written():
    x, calls = run(classes, FlowMapSpec(guidance="two_pass"), 4, guidance=3.0)
    noise = torch.stack([noise_of(seed) for seed in SEEDS])
    velocity = torch.tensor([9 + 3 * (label - 9) for label in (0, 1, 2)]).view(-1, 1, 1, 1)
    torch.testing.assert_close(x, noise - velocity, atol=1e-4, rtol=0)
    assert set(calls) == {8}


def test_guidance_of_some_channels_leaves_the_others():
    plain, _ = run(classes, FlowMapSpec(guidance="two_pass"), 2)
    some, _ = run(classes, FlowMapSpec(guidance="two_pass", guided_channels=3), 2, guidance=2.0)
    assert torch.equal(some[:, 3:], plain[:, 3:])
    assert not torch.allclose(some[:, :3], plain[:, :3])


def test_guidance_interval_saves_the_second_pass_outside():
    spec = FlowMapSpec(guidance="two_pass", guidance_low=0.4, guidance_high=0.8)
    assert run(classes, spec, 4, guidance=2.0)[1] == [4 + 2] * 3  # noise levels 1, 0.75, 0.5, 0.25


def test_guidance_one_needs_one_pass():
    assert run(classes, FlowMapSpec(guidance="two_pass"), 4)[1] == [4] * 3


def test_conditioning_tells_the_network_the_scale_and_the_span():
    seen = []

    def network(x: torch.Tensor, t: torch.Tensor, label: Any, second: Any, scale: Any) -> torch.Tensor:
        seen.append((round(float(t[0]), 3), round(float(second[0]), 3), float(scale[0])))
        return torch.zeros_like(x)

    spec = FlowMapSpec(guidance="conditioning", second_time="h", step_rule="jump", guidance_low=0.5)
    _, calls = run(network, spec, 4, guidance=5.0)
    assert seen == [(1, 0.25, 5), (0.75, 0.25, 5), (0.5, 0.25, 5), (0.25, 0.25, 1)]
    assert set(calls) == {4}


def test_a_learned_variance_is_left_out():
    wide = lambda x, *_: torch.cat([torch.ones_like(x), 100 * torch.ones_like(x)], dim=1)  # noqa: E731
    x, _ = run(wide, FlowMapSpec(), 2)
    torch.testing.assert_close(x, torch.stack([noise_of(seed) for seed in SEEDS]) - 1)


@pytest.mark.parametrize("kind", ["none", "baked"])
def test_guidance_that_would_not_reach_the_network_is_refused(kind):
    with pytest.raises(BadInput, match=kind):
        run(decay, FlowMapSpec(guidance=kind), 2, guidance=7.0)


@pytest.mark.parametrize(
    "fields",
    [{"step_rule": "jump"}, {"shift": 0.0}, {"grid": "explicit", "noise_levels": (0.0, 1.0)}, {"grid": "explicit"}],
)
def test_contradictions_are_refused(fields):
    with pytest.raises(BadInput):
        FlowMapSpec(**fields)


def test_steps_that_do_not_fit_are_refused():
    with pytest.raises(BadInput):
        make_grid(FlowMapSpec(), 0)
    with pytest.raises(BadInput, match="has 2"):
        make_grid(FlowMapSpec(grid="explicit", noise_levels=(1, 0.5, 0)), 3)


@settings(max_examples=deep(25), deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=9, unique=True), st.integers(1, 5), st.randoms())
def test_padding_order_and_number_asked_for_change_nothing(seeds, chunk_size, rng):
    spec = FlowMapSpec(second_time="r", step_rule="jump_renoise")
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(4, 4, 3, padding=1)
    network = lambda x, t, label, *_: torch.tanh(layer(x)) * (1 + label.view(-1, 1, 1, 1))  # noqa: E731
    options = {"shape": SHAPE, "null_label": 9, "steps": 2, "chunk_size": chunk_size}
    with torch.inference_mode():
        all_at_once, calls = sample_padded(network, spec, labels=[s % 3 for s in seeds], seeds=seeds, **options)
        order = rng.sample(range(len(seeds)), len(seeds))
        for place in order:
            one, _ = sample_padded(network, spec, labels=[seeds[place] % 3], seeds=[seeds[place]], **options)
            assert torch.equal(one[0], all_at_once[place])
    assert calls == [2] * len(seeds)


def test_quantise_rounds_or_truncates():
    values = torch.tensor([-1.0, -0.9999, 0.0, 0.9999, 1.0, 3.0]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert quantise(values, "round")[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]
    assert quantise(values, "truncate")[0, 0, :, 0].tolist() == [0, 0, 127, 254, 255, 255]
    with pytest.raises(ValueError, match="1 of 1"):
        quantise(values / 0, "round")


def test_autoguidance_moves_away_from_the_weaker_network():
    def strong(x, *_):
        return torch.full_like(x, 2.0)

    def weak(x, *_):
        return torch.full_like(x, 1.0)

    spec = FlowMapSpec(guidance="autoguidance", guidance_low=0.3, guidance_high=0.8)
    x, calls = sample_flow_map(
        strong, spec, labels=[0, 1, 2], seeds=SEEDS, shape=SHAPE, null_label=9, steps=4, guidance=3.0, weak=weak
    )
    plain, _ = run(strong, FlowMapSpec(), 4)
    # noise levels 1, 0.75, 0.5, 0.25: at two of them the velocity is 1 + 3 (2 - 1) = 4 instead of 2
    assert torch.allclose(plain - x, torch.full_like(x, 2 * 0.25 * 2.0), atol=1e-6)
    assert calls == [6] * 3
    with pytest.raises(BadInput, match="second, weaker network"):
        run(strong, FlowMapSpec(guidance="autoguidance"), 1)


def test_a_network_that_is_told_the_interval_is_given_it_at_every_level():
    seen = []

    def network(x, t, label, second, guidance):
        seen.append(guidance.tolist())
        return x

    spec = FlowMapSpec(
        step_rule="jump", second_time="h", guidance="conditioning", interval_input=True, guidance_low=0.4,
        guidance_high=0.65,
    )  # fmt: skip
    run(network, spec, 2, guidance=7.0)
    assert seen == [[pytest.approx([7.0, 0.4, 0.65])] * 3] * 2


def test_the_grid_of_rae_ends_before_zero():
    grid = make_grid(FlowMapSpec(grid="shifted", shift=(768 * 16 * 16 / 4096) ** 0.5, grid_end=0.001), 1)
    assert grid == pytest.approx([1.0, 0.00689], abs=1e-5)
    official = [1 - i * 0.999 / 49 for i in range(50)]
    shift = 6.928203
    ours = make_grid(FlowMapSpec(grid="shifted", shift=shift, grid_end=0.001), 49)
    assert ours == pytest.approx([shift * t / (1 + (shift - 1) * t) for t in official])

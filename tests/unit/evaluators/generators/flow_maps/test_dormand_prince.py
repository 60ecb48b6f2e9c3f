"""The adaptive solver against closed forms and SciPy's own, and a sample's independence of its companions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from relaionet.evaluators.generators.flow_maps.sampler import sample_flow_map, sample_padded
from relaionet.evaluators.generators.flow_maps.spec import FlowMapSpec

SHAPE = (2, 3, 3)


def spring(x: torch.Tensor, t: torch.Tensor, *_: object) -> torch.Tensor:
    """Two channels that turn round each other, faster with time."""
    speed = (1 + 4 * t)[:, None, None]
    return torch.stack([-speed * x[:, 1], speed * x[:, 0]], dim=1)


def start(seeds: list[int]) -> torch.Tensor:
    return torch.stack([torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def run(network: object, seeds: list[int], **about: object):
    spec = FlowMapSpec(step_rule="dopri5", **about)
    return sample_flow_map(network, spec, labels=[0] * len(seeds), seeds=seeds, shape=SHAPE, null_label=1, steps=1)


@pytest.mark.parametrize("noise_at", [0, 1])
@pytest.mark.parametrize("rtol", [1e-3, 1e-5])
def test_a_rotation_is_followed_to_the_tolerance(noise_at, rtol):
    x, calls = run(spring, [1, 2], noise_at=noise_at, rtol=rtol, atol=1e-8)
    begin = start([1, 2])
    # the angle is the integral of the speed over the time of the network, from noise to data
    angle = torch.tensor(3.0 if noise_at == 0 else -3.0)
    wanted = torch.stack(
        [begin[:, 0] * angle.cos() - begin[:, 1] * angle.sin(), begin[:, 0] * angle.sin() + begin[:, 1] * angle.cos()],
        dim=1,
    )
    assert (x - wanted).abs().max() < 20 * rtol
    assert all(10 < count < 400 for count in calls)


def test_it_needs_about_as_many_calls_as_scipy():
    begin = start([5]).double().numpy().ravel()

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        first, second = y.reshape(2, 9)
        return (1 + 4 * t) * np.concatenate([-second, first])

    theirs = solve_ivp(slope, (0, 1), begin, method="RK45", rtol=1e-3, atol=1e-6)
    x, calls = run(spring, [5], noise_at=0, rtol=1e-3, atol=1e-6)
    assert np.abs(x.numpy().ravel() - theirs.y[:, -1]).max() < 0.01
    assert 0.5 * theirs.nfev < calls[0] < 2 * theirs.nfev


def test_tighter_tolerances_take_more_calls_and_calls_are_those_of_the_sample():
    loose, tight = run(spring, [1, 2], rtol=1e-2)[1], run(spring, [1, 2], rtol=1e-6)[1]
    assert all(a < b for a, b in zip(loose, tight, strict=True))


def stiff(x: torch.Tensor, t: torch.Tensor, label: torch.Tensor, *_: object) -> torch.Tensor:
    return -(1 + 30.0 * label[:, None, None, None]) * x


def test_a_sample_does_not_depend_on_a_stiff_companion():
    spec = FlowMapSpec(step_rule="dopri5")
    about = {"shape": SHAPE, "null_label": 9, "steps": 1}
    alone = sample_flow_map(stiff, spec, labels=[0, 0], seeds=[1, 1], **about)
    beside = sample_flow_map(stiff, spec, labels=[0, 1], seeds=[1, 2], **about)
    assert torch.equal(alone[0][0], beside[0][0])
    assert alone[1][0] == beside[1][0] < beside[1][1]
    chunks = sample_padded(stiff, spec, labels=[0, 1, 0], seeds=[1, 2, 3], chunk_size=2, **about)
    assert torch.equal(chunks[0][0], alone[0][0])
    assert chunks[1][0] == alone[1][0]


def test_a_velocity_that_is_not_finite_is_said():
    with pytest.raises(ValueError, match="not finite"):
        run(lambda x, *_: x * float("nan"), [1])

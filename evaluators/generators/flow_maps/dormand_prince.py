"""Dormand and Prince's adaptive method of order 5, every sample with steps of its own.

Solvers that choose one step for a whole batch let a sample's result depend on what it is batched with; here it cannot.
Samples that have arrived are carried along unchanged, so that the network always sees the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from relaionet.evaluators.generators.flow_maps.spec import FlowMapSpec

# Dormand & Prince 1980, RK5(4)7M
NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0
STEPS_LIMIT = 1000

Velocity = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def integrate(
    velocity: Velocity, x: torch.Tensor, start: float, end: float, spec: FlowMapSpec, count_calls: Callable[[], int]
) -> tuple[torch.Tensor, list[int]]:
    """Integrate from one noise level to another.

    Args:
        velocity: (state, levels `[N]`, levels `[N]`) -> dx/dt in the network's own direction of time.
        x: `[N, C, H, W]` at `start`.
        start: noise level, 1 for pure noise.
        end: noise level.
        spec: its tolerances, and at which end of time the noise is.
        count_calls: forward calls made so far.

    Returns:
        State at `end`, and forward calls made until each sample arrived.

    Raises:
        ValueError: a sample needs more than 1000 steps, or is not finite.
    """
    direction = 1.0 if spec.noise_at == 1 else -1.0  # of the network's time along the noise level

    def slope(state: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return direction * velocity(state, level.float(), level.float())

    level = torch.full((len(x),), start, dtype=torch.float64, device=x.device)
    sign = 1.0 if end > start else -1.0
    first = slope(x, level)
    _check_finite(first)
    step = _first_step(x, first, slope, level, sign, abs(end - start), spec)
    calls = [count_calls()] * len(x)
    for _ in range(STEPS_LIMIT):
        step = torch.minimum(step, (end - level).abs())
        is_open = step > 0
        if not bool(is_open.any()):
            return x, calls
        moved, slopes = _try_step(x, first, slope, level, sign * step)
        error = _error(x, moved, slopes, step, spec)
        accepted = (error <= 1) & is_open
        x = torch.where(accepted[:, None, None, None], moved, x)
        first = torch.where(accepted[:, None, None, None], slopes[-1], first)
        arrived = accepted & (step >= (end - level).abs())
        level = torch.where(arrived, end, torch.where(accepted, level + sign * step, level))
        calls = [count_calls() if is_open[place] else old for place, old in enumerate(calls)]
        _check_finite(error[is_open])
        factor = (SAFETY * error.clamp(min=1e-10) ** -0.2).clamp(SHRINK, GROW)
        step = step * torch.where(accepted, factor, factor.clamp(max=1.0))
    raise ValueError(f"more than {STEPS_LIMIT} steps are needed at rtol {spec.rtol:g}, atol {spec.atol:g}")


def _check_finite(values: torch.Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise ValueError("the network gave a velocity that is not finite")


def _wide(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.to(like.dtype)[:, None, None, None]


def _try_step(
    x: torch.Tensor, first: torch.Tensor, slope: Callable[..., torch.Tensor], level: torch.Tensor, step: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    slopes = [first]
    state = x
    for node, weights in zip(NODES[1:], STAGES[1:], strict=True):
        mixed = sum(weight * one for weight, one in zip(weights, slopes, strict=True) if weight)
        state = x + _wide(step, x) * mixed
        slopes.append(slope(state, level + node * step))
    return state, slopes  # the last stage is the step itself: its slope is the next step's first


def _error(
    x: torch.Tensor, moved: torch.Tensor, slopes: list[torch.Tensor], step: torch.Tensor, spec: FlowMapSpec
) -> torch.Tensor:
    """Error over tolerance of each sample, root mean square over its values, `[N]`."""
    weights = [fifth - fourth for fifth, fourth in zip((*STAGES[-1], 0.0), FOURTH, strict=True)]
    off = _wide(step, x) * sum(weight * one for weight, one in zip(weights, slopes, strict=True))
    allowed = spec.atol + spec.rtol * torch.maximum(x.abs(), moved.abs())
    return (off / allowed).double().square().flatten(1).mean(dim=1).sqrt()


def _norm(values: torch.Tensor) -> torch.Tensor:
    return values.double().square().flatten(1).mean(dim=1).sqrt()


def _first_step(
    x: torch.Tensor, first: torch.Tensor, slope: Callable[..., torch.Tensor], level: torch.Tensor, sign: float,
    span: float, spec: FlowMapSpec,
) -> torch.Tensor:  # fmt: skip
    """Size of the first step, `[N]`. Source: Hairer, Nørsett & Wanner 1993, section II.4."""
    allowed = spec.atol + spec.rtol * x.abs()
    size, speed = _norm(x / allowed), _norm(first / allowed)
    guess = torch.where((size < 1e-5) | (speed < 1e-5), 1e-6, 0.01 * size / speed).clamp(max=span)
    ahead = slope(x + _wide(sign * guess, x) * first, level + sign * guess)
    bend = _norm((ahead - first) / allowed) / guess
    largest = torch.maximum(speed, bend)
    other = torch.where(largest <= 1e-15, (guess * 1e-3).clamp(min=1e-6), (0.01 / largest) ** 0.2)
    return torch.minimum(100 * guess, other).clamp(max=span)

"""How a flow map is sampled: what it is told, where it steps, and the grid of its times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args, get_origin, get_type_hints

import torch

from relaionet.manifests.errors import BadInput, nearest_name

# (x [N, C, H, W], t [N], label [N], second time [N] or None, guidance [N], [N, 3] or None) -> velocity [N, ≥C, H, W]
Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class FlowMapSpec:
    """How a network is sampled.

    Attributes:
        noise_at: time of pure noise, 1 or 0; data is at the other end.
        time_scale: times are multiplied by this before the network sees them.
        second_time: what the network is told beside t: nothing, the time r stepped to, or h = |t - r|.
        step_rule: `jump` follows the flow map from grid point to grid point; `jump_renoise` jumps to the data end and
            mixes fresh noise back in; `euler` and `heun` integrate the instantaneous velocity; `dopri5` does so with
            steps as small as `atol` and `rtol` want, between the grid's ends alone, for each sample by itself.
        grid: `uniform`, `shifted` (t' = s t / (1 + (s - 1) t) in noise level) or `explicit`.
        grid_end: noise level at which a uniform grid, before it is shifted, ends.
        shift: s of the shifted grid.
        noise_levels: the explicit grid, falling from 1 to 0; its length is steps + 1.
        guidance: `none`; `baked` into the weights; `conditioning` (the network takes it); `two_pass` (a second,
            unconditional pass); `autoguidance` (a second pass of a weaker network, which is a parameter).
        guided_channels: two_pass guides only the first so many channels; None guides all.
        guidance_low: guidance acts from this noise level, 0 to 1 …
        guidance_high: … up to this one.
        interval_input: with `conditioning`: the network is told where guidance acts, and is given it at every level.
        atol: largest error of a step of `dopri5`, absolute.
        rtol: the same, relative to the state.
        quantise: `round` to the nearest of 256 levels, or `truncate`.
    """

    noise_at: Literal[0, 1] = 1
    time_scale: float = 1.0
    second_time: Literal["none", "r", "h"] = "none"
    step_rule: Literal["jump", "jump_renoise", "euler", "heun", "dopri5"] = "euler"
    grid: Literal["uniform", "shifted", "explicit"] = "uniform"
    shift: float = 1.0
    grid_end: float = 0.0
    noise_levels: tuple[float, ...] = ()
    guidance: Literal["none", "baked", "conditioning", "two_pass", "autoguidance"] = "none"
    guided_channels: int | None = None
    guidance_low: float = 0.0
    guidance_high: float = 1.0
    interval_input: bool = False
    atol: float = 1e-6
    rtol: float = 1e-3
    quantise: Literal["round", "truncate"] = "round"

    def __post_init__(self) -> None:
        """Raises BadInput where a field is none of its choices or the fields contradict each other."""
        for name, kind in get_type_hints(type(self)).items():
            value, choices = getattr(self, name), get_args(kind)
            if get_origin(kind) is Literal and value not in choices:
                raise BadInput(f"sampler: {name} is '{value}'.{nearest_name(str(value), map(str, choices))}")
        if self.step_rule.startswith("jump") and self.second_time == "none":
            raise BadInput(f"step_rule '{self.step_rule}' needs a second time; set second_time to r or h.")
        if self.shift <= 0:
            raise BadInput(f"shift is {self.shift}; expected a number above 0.")
        if not 0 <= self.grid_end < 1 or self.atol <= 0 or self.rtol <= 0:
            raise BadInput("sampler: expected grid_end from 0 to below 1, atol and rtol above 0.")
        levels = self.noise_levels
        if self.grid == "explicit" and (len(levels) < 2 or list(levels) != sorted(levels, reverse=True)):
            raise BadInput(f"an explicit grid needs noise_levels falling from 1 to 0; found {list(levels)}.")


def make_grid(spec: FlowMapSpec, steps: int) -> list[float]:
    """The noise levels visited, from 1 (noise) to 0 (data).

    Args:
        spec: sampler.
        steps: number of steps, at least 1.

    Returns:
        `steps + 1` numbers.

    Raises:
        BadInput: steps is below 1, or is not what an explicit grid has.
    """
    if steps < 1:
        raise BadInput(f"{steps} steps asked for; expected at least 1.")
    if spec.grid == "explicit":
        if len(spec.noise_levels) != steps + 1:
            raise BadInput(f"{steps} steps asked for; the explicit grid has {len(spec.noise_levels) - 1}.")
        return list(spec.noise_levels)
    uniform = [1 - (1 - spec.grid_end) * i / steps for i in range(steps + 1)]
    shift = spec.shift if spec.grid == "shifted" else 1.0
    return [shift * level / (1 + (shift - 1) * level) for level in uniform]

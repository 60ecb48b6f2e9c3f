"""One sampler for class-conditional flows and flow maps; how it samples is data (`FlowMapSpec`), not code.

Every system it serves moves a state from noise to data along `x_r = x_t + (r - t) u`. They differ in which end of time
the noise is at, what the network is told beside `t`, where it steps to, and how guidance enters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from relaionet.evaluators.generators.flow_maps.dormand_prince import integrate
from relaionet.evaluators.generators.flow_maps.spec import FlowMapSpec, Network, make_grid
from relaionet.manifests.errors import BadInput

VERSION = "1"


@dataclass
class _Walk:
    """One chunk on its way from noise to data."""

    network: Network
    spec: FlowMapSpec
    labels: torch.Tensor  # [N] int64
    null_label: int
    guidance: float
    weak: Network | None = None
    calls: int = 0

    def time(self, level: float) -> float:
        return level if self.spec.noise_at == 1 else 1 - level

    def call(
        self, x: torch.Tensor, level: torch.Tensor, to: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor,
        network: Network | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """One forward call; levels and scale are `[N]`."""
        spec = self.spec
        t, r = (level, to) if spec.noise_at == 1 else (1 - level, 1 - to)
        second = {"none": None, "r": r, "h": (t - r).abs()}[spec.second_time]
        told = scale if spec.guidance == "conditioning" else None
        if told is not None and spec.interval_input:
            ends = [torch.full_like(told, end) for end in (spec.guidance_low, spec.guidance_high)]
            told = torch.stack([told, *ends], dim=1)
        self.calls += 1
        out = (network or self.network)(
            x, t * spec.time_scale, labels, None if second is None else second * spec.time_scale, told
        )
        return out[:, : x.shape[1]]  # a learned variance, where there is one, comes after the velocity

    def velocity(self, x: torch.Tensor, level: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        """(Average) velocity from noise levels `[N]` to others, guided."""
        spec = self.spec
        acts = (level >= spec.guidance_low) & (level <= spec.guidance_high) | spec.interval_input
        scale = torch.where(acts, self.guidance, 1.0)
        guided = scale != 1
        strong = self.call(x, level, to, self.labels, scale)
        if spec.guidance not in ("two_pass", "autoguidance") or not bool(guided.any()):
            return strong
        ones = torch.ones_like(scale)
        if spec.guidance == "two_pass":
            plain = self.call(x, level, to, torch.full_like(self.labels, self.null_label), ones)
        else:
            plain = self.call(x, level, to, self.labels, ones, self.weak)
        channels = spec.guided_channels or x.shape[1]
        part, plain = strong[:, :channels], plain[:, :channels]
        mixed = (part - plain).mul_(_wide(scale)).add_(plain)
        if not bool(guided.all()):  # a sample outside the interval keeps its own velocity to the bit
            mixed = torch.where(_wide(guided), mixed, part)
        return mixed if channels == x.shape[1] else torch.cat([mixed, strong[:, channels:]], dim=1)

    def step(self, x: torch.Tensor, level: float, to: float, renoise: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Go from one noise level to the next."""

        def full(value: float) -> torch.Tensor:
            return torch.full((x.shape[0],), value, dtype=torch.float32, device=x.device)

        span = self.time(to) - self.time(level)
        rule = self.spec.step_rule
        if rule == "jump":
            return x + span * self.velocity(x, full(level), full(to))
        if rule == "jump_renoise":
            data = x + (self.time(0.0) - self.time(level)) * self.velocity(x, full(level), full(0.0))
            return data if to == 0 else (1 - to) * data + to * renoise()
        first = self.velocity(x, full(level), full(level))
        if rule == "euler":
            return x + span * first
        second = self.velocity(x + span * first, full(to), full(to))
        return x + span * 0.5 * (first + second)


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def sample_flow_map(
    network: Network, spec: FlowMapSpec, *, labels: Sequence[int], seeds: Sequence[int], shape: tuple[int, int, int],
    null_label: int, steps: int, guidance: float = 1.0, device: str = "cpu", weak: Network | None = None,
) -> tuple[torch.Tensor, list[int]]:  # fmt: skip
    """Sample one chunk.

    The noise of a sample depends on its own seed only. The arithmetic of a sample may depend on how many are in the
    chunk (kernels choose their blocking by shape), so callers keep the chunk size fixed: see `sample_padded`.

    Args:
        network: see `Network`.
        spec: sampler.
        labels: N network labels.
        seeds: N seeds, 0 to 2^63 - 1.
        shape: (C, H, W) of the state.
        null_label: label of the unconditional pass.
        steps: number of steps, at least 1.
        guidance: scale; 1 is none.
        device: where the network is.
        weak: the weaker network of `autoguidance`.

    Returns:
        Samples `[N, C, H, W]` float32, and forward calls of the networks for each.

    Raises:
        BadInput: guidance is asked of a spec that has none, or steps does not fit the grid.
    """
    if guidance != 1.0 and spec.guidance in ("none", "baked"):
        raise BadInput(f"guidance {guidance} asked, but the sampler's is '{spec.guidance}'; only 1 is possible.")
    grid = make_grid(spec, steps)
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw() -> torch.Tensor:
        return torch.stack([torch.randn(shape, generator=source) for source in sources]).to(device)

    if spec.guidance == "autoguidance" and weak is None:
        raise BadInput("autoguidance needs a second, weaker network.")
    walk = _Walk(network, spec, torch.tensor(labels, dtype=torch.int64, device=device), null_label, guidance, weak)
    x = draw()  # [N, C, H, W] float32
    if spec.step_rule == "dopri5":
        return integrate(walk.velocity, x, grid[0], grid[-1], spec, lambda: walk.calls)
    for level, to in itertools.pairwise(grid):
        x = walk.step(x, level, to, draw)
    return x, [walk.calls] * len(seeds)


def sample_padded(
    network: Network,
    spec: FlowMapSpec,
    *,
    labels: Sequence[int],
    seeds: Sequence[int],
    chunk_size: int,
    **options: Any,
) -> tuple[torch.Tensor, list[int]]:
    """`sample_flow_map` in chunks of exactly `chunk_size`, the last one filled up with repeats that are thrown away.

    The network always sees the same shape, so a sample's bytes do not depend on how many are asked for at once.

    Args:
        network: see `Network`.
        spec: sampler.
        labels: N network labels, N at least 1.
        seeds: N seeds.
        chunk_size: rows of every forward call; belongs to the generator, not to the caller.
        **options: as of `sample_flow_map`.

    Returns:
        Samples `[N, C, H, W]` float32, and forward calls per sample.
    """
    samples, calls = [], []
    for start in range(0, len(seeds), chunk_size):
        part_labels, part_seeds = list(labels[start : start + chunk_size]), list(seeds[start : start + chunk_size])
        missing = chunk_size - len(part_seeds)
        chunk, chunk_calls = sample_flow_map(
            network, spec, labels=part_labels + part_labels[-1:] * missing,
            seeds=part_seeds + part_seeds[-1:] * missing, **options,
        )  # fmt: skip
        samples.append(chunk[: len(part_seeds)])
        calls += chunk_calls[: len(part_seeds)]
    return torch.cat(samples), calls

"""Trains the miniature's two generators. `python -m relaionet.evaluators.miniature.train_generators flow|meanflow …`.

`flow` learns the velocity e - x of the straight path x_t = (1 - t) x + t e, with the class left out for one picture in
ten, so that guidance by two passes works. `meanflow` starts from it and learns the average velocity over [r, t] of the
guided flow by the MeanFlow identity; the guidance scale is an input, so one call gives a guided picture.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel

from relaionet.evaluators.generators.flow_maps.backbones.unet import UNet, UNetConfig
from relaionet.evaluators.miniature.pictures import TRAIN_SEED, draw_pool
from relaionet.manifests.files import write_json
from relaionet.manifests.replacing import replacing

FLOW_NET = UNetConfig(widths=(64, 128, 128), blocks=1, num_classes=20)
MEANFLOW_NET = replace(FLOW_NET, second_time=True, guidance_input=True)
NULL = FLOW_NET.num_classes


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a generator is trained.

    Attributes:
        steps: optimiser steps.
        batch_size: pictures per step.
        learning_rate: after the warm-up; falls along a half cosine to a fiftieth.
        warmup_steps: steps of linear rise.
        ema: decay of the averaged weights per step, reached after a short ramp.
        null_frac: share of pictures whose class is left out (flow).
        whole_frac: share of intervals that start at pure noise (meanflow).
        instant_frac: share of intervals of length 0 (meanflow).
        guidance_max: guidance scales are drawn log-uniformly from 1 to this (meanflow).
        per_class: training pictures of each class.
        seed: of initialisation, order and noise.
    """

    steps: int = 2500
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    ema: float = 0.997
    null_frac: float = 0.1
    whole_frac: float = 0.35
    instant_frac: float = 0.3
    guidance_max: float = 6.0
    per_class: int = 1800
    seed: int = 1


Loss = Callable[[UNet, torch.Tensor, torch.Tensor], torch.Tensor]  # (network, pictures [N, 3, 32, 32], labels [N])


def make_batches(pool: NDArray[np.uint8], config: TrainConfig) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches of (pictures `[N, 3, 32, 32]` float32 in -1 to 1, labels `[N]`), in shuffled passes."""
    rng = np.random.default_rng(config.seed)
    flat = torch.from_numpy(pool.reshape(-1, *pool.shape[2:])).permute(0, 3, 1, 2)
    labels = torch.arange(pool.shape[0]).repeat_interleave(pool.shape[1])
    while True:
        order = torch.from_numpy(rng.permutation(len(flat)))
        for rows in order.split(config.batch_size):
            if len(rows) == config.batch_size:
                yield flat[rows].float() / 127.5 - 1, labels[rows]


class Optimizer:
    """Muon for the kernels of convolutions and inner linear maps, seen as matrices, and AdamW for everything else.

    Args:
        network: what is trained.
        config: learning rate.
    """

    def __init__(self, network: UNet, config: TrainConfig) -> None:
        self.config = config
        inner = ("down", "up", "bottom", "shrink", "grow")
        self.kernels = [p for name, p in network.named_parameters() if p.ndim >= 2 and name.split(".")[0] in inner]
        chosen = {id(p) for p in self.kernels}
        # torch's Muon takes matrices only: these share the kernels' storage
        self.matrices = [torch.nn.Parameter(p.detach().view(len(p), -1)) for p in self.kernels]
        rest = [p for p in network.parameters() if id(p) not in chosen]
        rate = config.learning_rate
        self.muon = torch.optim.Muon(self.matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
        self.adamw = torch.optim.AdamW(rest, lr=rate, weight_decay=0.0, betas=(0.9, 0.98))

    def step(self, step: int) -> None:
        """One step at the rate of this step; gradients are cleared."""
        for matrix, kernel in zip(self.matrices, self.kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.view(matrix.shape)
            kernel.grad = None
        for optimizer in (self.muon, self.adamw):
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * _rate(step, self.config)
            optimizer.step()
            optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """State of both."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put a state back."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


def _rate(step: int, config: TrainConfig) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def make_flow_loss(config: TrainConfig) -> Loss:
    """Flow matching: mean squared error of the velocity, times from a logit-normal."""

    def loss(network: UNet, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        e = torch.randn_like(x)
        t = torch.sigmoid(torch.randn(len(x)) * 1.0 + 0.1)
        seen = torch.where(torch.rand(len(x)) < config.null_frac, NULL, labels)
        at = t.view(-1, 1, 1, 1)
        return (network((1 - at) * x + at * e, t, seen).float() - (e - x)).square().mean()

    return loss


def make_meanflow_loss(teacher: UNet, config: TrainConfig) -> Loss:
    """The MeanFlow identity u = v - (t - r) du/dt, with v the teacher's guided velocity.

    Source: Geng et al. 2025, equations 6 to 11; adaptive weight of their section 4.3 with p = 1.
    """

    def guided_velocity(z: torch.Tensor, t: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        both = teacher(torch.cat([z, z]), torch.cat([t, t]), torch.cat([labels, torch.full_like(labels, NULL)]))
        with_class, without = both.float().chunk(2)
        return without + scale.view(-1, 1, 1, 1) * (with_class - without)

    def loss(network: UNet, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        n = len(x)
        times = torch.sigmoid(torch.randn(2, n) * 1.0 + torch.tensor([[0.3], [-0.6]]))
        t, r = times.max(dim=0).values, times.min(dim=0).values
        whole = torch.rand(n) < config.whole_frac
        t = torch.where(whole, 1.0, t)
        r = torch.where(whole & (torch.rand(n) < 0.5), 0.0, r)
        instant = int(n * config.instant_frac)
        r[:instant] = t[:instant]
        scale = torch.exp(torch.rand(n) * math.log(config.guidance_max))
        e = torch.randn_like(x)
        at = t.view(-1, 1, 1, 1)
        z = (1 - at) * x + at * e
        with torch.no_grad():
            v = guided_velocity(z, t, labels, scale)
            target = v.clone()
            rows = slice(instant, n)

            def forward(state: torch.Tensor, time_now: torch.Tensor, span: torch.Tensor) -> torch.Tensor:
                return network(state, time_now, labels[rows], span, scale[rows]).float()

            one = torch.ones(n - instant)
            with sdpa_kernel(SDPBackend.MATH):
                slope = torch.func.jvp(forward, (z[rows], t[rows], (t - r)[rows]), (v[rows], one, one))[1]
            target[rows] = v[rows] - (t - r)[rows].view(-1, 1, 1, 1) * slope.clamp(-8, 8)
        error = (network(z, t, labels, t - r, scale).float() - target).square().flatten(1).mean(dim=1)  # [N]
        return (error / (error.detach() + 0.02)).mean()

    return loss


def train_generator(
    network: UNet, loss_of: Loss, pool: NDArray[np.uint8], config: TrainConfig, checkpoint: Path
) -> tuple[dict[str, torch.Tensor], float, float]:
    """Train, going on from the checkpoint where there is one.

    Returns:
        Averaged weights, mean loss of the last 200 steps, and seconds spent over all runs.
    """
    optimizer = Optimizer(network, config)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    first, spent_s, recent = 0, 0.0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        average, first, spent_s, recent = saved["average"], saved["step"], saved["seconds"], saved["loss"]
        optimizer.load_state_dict(saved["optimizer"])
    torch.manual_seed(config.seed * 1_000_003 + first)
    started = time.monotonic()
    batches = make_batches(pool, replace(config, seed=config.seed + first))
    for step in range(first, config.steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(network, *next(batches))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step(step)
        decay = min(config.ema, (step + 1) / (step + 10))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - decay)
        recent += (loss.item() - recent) / min(200, step + 1)
        if (step + 1) % 50 == 0 or step + 1 == config.steps:
            seconds = spent_s + time.monotonic() - started
            print(f"step {step + 1}/{config.steps}: loss {recent:.4f}, {seconds:.0f} s", flush=True)
        if (step + 1) % 200 == 0 or step + 1 == config.steps:
            state = {
                "network": network.state_dict(), "average": average, "step": step + 1, "loss": recent,
                "seconds": spent_s + time.monotonic() - started, "optimizer": optimizer.state_dict(),
            }  # fmt: skip
            with replacing(checkpoint) as part:
                torch.save(state, part)
    return average, recent, spent_s + time.monotonic() - started


def make_task(which: str, config: TrainConfig, flow_checkpoint: Path) -> tuple[UNet, Loss]:
    """Network and loss of `flow` or `meanflow`; the latter starts from the averaged flow in `flow_checkpoint`."""
    torch.manual_seed(config.seed)
    flow = UNet(FLOW_NET)
    if which == "flow":
        return flow, make_flow_loss(config)
    saved = torch.load(flow_checkpoint, weights_only=True)["average"]
    flow.load_state_dict(saved)
    network = UNet(MEANFLOW_NET)
    network.load_state_dict(saved, strict=False)
    for embedder in (network.s_embedder, network.w_embedder):
        torch.nn.init.zeros_(embedder.mlp[2].weight)  # type: ignore[union-attr,arg-type]
    return network, make_meanflow_loss(flow.eval().requires_grad_(False), config)


def main() -> None:
    """Train one generator and write its averaged weights (float16) and what it reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["flow", "meanflow"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights")
    parser.add_argument("--work", type=Path, default=Path("runs/training"), help="checkpoints and drawn pictures")
    parser.add_argument("--steps", type=int, default=TrainConfig.steps)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rate = {"flow": 2e-3, "meanflow": 1e-3}[options.which]
    config = TrainConfig(steps=options.steps, learning_rate=rate)
    pool = draw_pool(config.per_class, TRAIN_SEED, options.work / "pool.npy")
    network, loss_of = make_task(options.which, config, options.work / "flow.pt")
    checkpoint = options.work / f"{options.which}.pt"
    average, loss, seconds = train_generator(network, loss_of, pool, config, checkpoint)
    options.out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half() for name, value in average.items()}, options.out / f"{options.which}.safetensors")
    reached = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "loss": round(loss, 4), "steps": config.steps, "pictures per step": config.batch_size,
        "training pictures": config.per_class * 20, "seed": config.seed, "seconds": round(seconds),
        "threads": options.threads,
    }  # fmt: skip
    write_json(options.out / f"{options.which}.json", reached)
    print(reached)


if __name__ == "__main__":
    main()

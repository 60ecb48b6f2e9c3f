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

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel

from relaionet.evaluators.backbones.dit import DiT, DiTConfig
from relaionet.evaluators.miniature.pictures import TRAIN_SEED, draw_pool
from relaionet.manifests.store import write_json

FLOW_NET = DiTConfig(
    input_size=32, patch_size=4, in_channels=3, out_channels=3, hidden_size=128, depth=6, num_heads=4, num_classes=20
)
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
    ema: float = 0.995
    null_frac: float = 0.1
    whole_frac: float = 0.25
    instant_frac: float = 0.3
    guidance_max: float = 6.0
    per_class: int = 1800
    seed: int = 1


Loss = Callable[[DiT, torch.Tensor, torch.Tensor], torch.Tensor]  # (network, pictures [N, 3, 32, 32], labels [N])


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


def make_optimizers(network: DiT, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the weight matrices of the blocks, AdamW for everything else."""
    matrices = [p for name, p in network.blocks.named_parameters() if p.ndim == 2 and "adaLN" not in name]
    chosen = {id(p) for p in matrices}
    rest = [p for p in network.parameters() if id(p) not in chosen]
    rate = config.learning_rate
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def _rate(step: int, config: TrainConfig) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def make_flow_loss(config: TrainConfig) -> Loss:
    """Flow matching: mean squared error of the velocity, times from a logit-normal."""

    def loss(network: DiT, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        e = torch.randn_like(x)
        t = torch.sigmoid(torch.randn(len(x)) * 1.0 + 0.1)
        seen = torch.where(torch.rand(len(x)) < config.null_frac, NULL, labels)
        at = t.view(-1, 1, 1, 1)
        return (network((1 - at) * x + at * e, t, seen).float() - (e - x)).square().mean()

    return loss


def make_meanflow_loss(teacher: DiT, config: TrainConfig) -> Loss:
    """The MeanFlow identity u = v - (t - r) du/dt, with v the teacher's guided velocity.

    Source: Geng et al. 2025, equations 6 to 11; adaptive weight of their section 4.3 with p = 1.
    """

    def guided_velocity(z: torch.Tensor, t: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        both = teacher(torch.cat([z, z]), torch.cat([t, t]), torch.cat([labels, torch.full_like(labels, NULL)]))
        with_class, without = both.float().chunk(2)
        return without + scale.view(-1, 1, 1, 1) * (with_class - without)

    def loss(network: DiT, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
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
    network: DiT, loss_of: Loss, pool: NDArray[np.uint8], config: TrainConfig, checkpoint: Path
) -> tuple[dict[str, torch.Tensor], float, float]:
    """Train, going on from the checkpoint where there is one.

    Returns:
        Averaged weights, mean loss of the last 200 steps, and seconds spent over all runs.
    """
    optimizers = make_optimizers(network, config)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    first, spent_s, recent = 0, 0.0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        average, first, spent_s, recent = saved["average"], saved["step"], saved["seconds"], saved["loss"]
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
    torch.manual_seed(config.seed * 1_000_003 + first)
    started = time.monotonic()
    batches = make_batches(pool, replace(config, seed=config.seed + first))
    for step in range(first, config.steps):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _rate(step, config)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(network, *next(batches))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
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
                "seconds": spent_s + time.monotonic() - started, "optimizers": [o.state_dict() for o in optimizers],
            }  # fmt: skip
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    return average, recent, spent_s + time.monotonic() - started


def make_task(which: str, config: TrainConfig, flow_checkpoint: Path) -> tuple[DiT, Loss]:
    """Network and loss of `flow` or `meanflow`; the latter starts from the averaged flow in `flow_checkpoint`."""
    torch.manual_seed(config.seed)
    flow = DiT(FLOW_NET)
    if which == "flow":
        return flow, make_flow_loss(config)
    saved = torch.load(flow_checkpoint, weights_only=True)["average"]
    flow.load_state_dict(saved)
    network = DiT(MEANFLOW_NET)
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
    parser.add_argument("--compile", action="store_true", help="faster where a C++ compiler is installed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = TrainConfig(steps=options.steps)
    pool = draw_pool(config.per_class, TRAIN_SEED, options.work / "pool.npy")
    network, loss_of = make_task(options.which, config, options.work / "flow.pt")
    if options.compile:
        network.compile()
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

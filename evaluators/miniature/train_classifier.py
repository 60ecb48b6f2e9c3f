"""Trains the miniature's classifier. `python -m relaionet.evaluators.miniature.train_classifier --out DIR --work DIR`.

Pictures are degraded as those of a split are (JPEG, shrinking), so that its features do not take compression for a
change of content.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional

from relaionet.evaluators.miniature.classifier import Classifier
from relaionet.evaluators.miniature.pictures import HELD_OUT_SEED, TRAIN_SEED, draw_pool
from relaionet.manifests.files import write_json
from relaionet.pipeline.images.picture import read_picture


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """How the classifier is trained.

    Attributes:
        per_class: training pictures of each class.
        epochs: passes over them.
        batch_size: pictures per step.
        learning_rate: peak of the one-cycle schedule.
        seed: of initialisation, order and degradations.
        held_out: held-out pictures of each class.
    """

    per_class: int = 1800
    epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 4e-3
    seed: int = 1
    held_out: int = 100


def degrade(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Mirror, shrink and compress a picture at random; uint8 `[H, W, 3]` in and out."""
    if rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
    image = Image.fromarray(picture)
    if rng.random() < 0.3:
        side = int(rng.integers(18, 32))
        image = image.resize((side, side), Image.Resampling.BICUBIC).resize((32, 32), Image.Resampling.BICUBIC)
    if rng.random() < 0.6:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(35, 96)))
        image = read_picture(buffer.getvalue())
    return np.asarray(image)


def _tensor(pictures: list[NDArray[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()  # [N, 3, 32, 32] uint8


def train_classifier(pool: NDArray[np.uint8], config: ClassifierConfig) -> Classifier:
    """Train on a pool `[20, M, 32, 32, 3]` uint8.

    Returns:
        The classifier in evaluation mode.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    flat = pool.reshape(-1, *pool.shape[2:])
    labels = torch.arange(pool.shape[0]).repeat_interleave(pool.shape[1])
    model = Classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.02)
    steps = config.epochs * (len(flat) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps, pct_start=0.15)
    for epoch in range(config.epochs):
        order = rng.permutation(len(flat))
        for start in range(0, len(flat) - config.batch_size + 1, config.batch_size):
            rows = order[start : start + config.batch_size]
            batch = _tensor([degrade(flat[row], rng) for row in rows])
            loss = functional.cross_entropy(model(batch), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{config.epochs}: loss {loss.item():.3f}", flush=True)
    return model.eval()


@torch.inference_mode()
def measure_accuracy(model: Classifier, pool: NDArray[np.uint8], *, degraded: bool) -> float:
    """Share of a pool `[20, M, 32, 32, 3]` put into its class, 0 to 1."""
    rng = np.random.default_rng(0)
    right = 0
    for row, pictures in enumerate(pool):
        batch = _tensor([degrade(picture, rng) if degraded else picture for picture in pictures])
        right += int((model(batch).argmax(dim=1) == row).sum())
    return right / (pool.shape[0] * pool.shape[1])


def main() -> None:
    """Train, measure, and write `classifier.safetensors` and `classifier.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights")
    parser.add_argument("--work", type=Path, default=Path("runs/training"), help="where drawn pictures are kept")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = ClassifierConfig()
    started = time.monotonic()
    pool = draw_pool(config.per_class, TRAIN_SEED, options.work / "pool.npy")
    held_out = draw_pool(config.held_out, HELD_OUT_SEED, options.work / "held_out.npy")
    drawn_s = time.monotonic() - started
    model = train_classifier(pool, config)
    options.out.mkdir(parents=True, exist_ok=True)
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    save_file(state, options.out / "classifier.safetensors")
    model.load_state_dict({name: value.float() for name, value in state.items()})
    reached = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seed": config.seed,
        "training pictures": config.per_class * 20,
        "accuracy on held-out pictures": round(measure_accuracy(model, held_out, degraded=False), 4),
        "accuracy on held-out pictures, degraded": round(measure_accuracy(model, held_out, degraded=True), 4),
        "seconds": round(time.monotonic() - started - drawn_s),
        "threads": options.threads,
    }
    write_json(options.out / "classifier.json", reached)
    print(reached)


if __name__ == "__main__":
    main()

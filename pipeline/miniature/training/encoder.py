"""Train the miniature's image-text encoder: a small open_clip model on pictures of the world and texts about them.

    python -m relaionet.pipeline.miniature.training.encoder --out pipeline/miniature/weights/encoder

Run again after an interruption it goes on from its last checkpoint. The folder it writes is in open_clip's layout and
loads with `open_clip.create_model_and_transforms("local-dir:<folder>")`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relaionet.manifests.files import digest_of, write_atomic, write_json
from relaionet.manifests.labels import Label, labels_by_wnid, read_labels
from relaionet.manifests.replacing import replacing
from relaionet.pipeline.miniature.captions import write_caption
from relaionet.pipeline.miniature.drawings.pictures import (
    CLASSES,
    ENCODER_CHECK_SEEDS,
    rng_of,
)
from relaionet.pipeline.miniature.training.samples import (
    CLUTTER,
    PAIR,
    SIZE_PX,
    TEMPLATES,
    WORD,
    TrainConfig,
    _cached_samples,
)

if TYPE_CHECKING:
    import torch

MODEL = {
    "embed_dim": 64,
    "vision_cfg": {"layers": [1, 2, 2, 1], "width": 16, "head_width": 64, "image_size": SIZE_PX},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 48, "heads": 4, "layers": 2},
}
PREPROCESS = {
    "mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic", "resize_mode": "squash",
}  # fmt: skip
CLUTTER_TEXTS = (
    "a background", "an empty scene", "boxes and rods", "rings, slabs and scraps", "houses in a street", "grass",
    "a brick wall", "wooden planks", "leaves", "hills and sky", "nothing to see here", "a place with no object",
)  # fmt: skip
WORD_TEXTS = ('the word "{name}"', "text that says {name}", "{name} written in letters", "the text {name} on a sign")


def _prompt(label: Label, rng: Random) -> str:
    names = [label.name, label.name, *(lemma for lemma in label.lemmas if lemma != "crane")]
    return rng.choice(TEMPLATES).format(name=rng.choice(names), gloss=label.gloss)


def _texts(config: TrainConfig, rng: Random) -> list[str]:
    """Texts of one step: 20 of the classes, then names outside the world, then 20 of words, then 4 of clutter."""
    inside = labels_by_wnid()
    own = [write_caption("right", wnid, rng) if rng.random() < 0.25 else None for wnid in CLASSES]
    classes = [text or _prompt(inside[wnid], rng) for text, wnid in zip(own, CLASSES, strict=True)]
    others = rng.sample([label for label in read_labels() if label.wnid not in CLASSES], config.negatives_count)
    words = [rng.choice(WORD_TEXTS).format(name=inside[wnid].name) for wnid in CLASSES]
    return [*classes, *(_prompt(label, rng) for label in others), *words, *rng.sample(CLUTTER_TEXTS, 4)]


def _targets(kinds: NDArray[np.int64], negatives: int) -> NDArray[np.float32]:
    """Which texts are right for each picture, rows summing to 1: [N, texts]."""
    count = len(CLASSES)
    targets = np.zeros((len(kinds), count + negatives + count + 4), dtype=np.float32)
    for row, (kind, other) in enumerate(kinds):
        position, group = kind % 100, kind // 100 * 100
        if group == CLUTTER:
            targets[row, -4:] = 0.25
        elif group == WORD:
            targets[row, count + negatives + position] = 1
        elif group == PAIR:
            targets[row, [position, other]] = 0.5
        else:
            targets[row, position] = 1
    return targets


def _loss(logits: torch.Tensor, targets: torch.Tensor, kinds: NDArray[np.int64], negatives: int) -> torch.Tensor:
    """Contrast in both directions; pictures of no class shall also be near no class name more than another."""
    import torch
    from torch.nn.functional import log_softmax

    count = len(CLASSES)
    to_text = -(targets * log_softmax(logits, dim=1)).sum(dim=1).mean()
    back = targets[:, :count].T
    seen = back.sum(dim=1) > 0
    back = back[seen] / back[seen].sum(dim=1, keepdim=True)
    to_image = -(back * log_softmax(logits[:, :count].T[seen], dim=1)).sum(dim=1).mean()
    blank = torch.from_numpy(kinds[:, 0] // 100 * 100 == CLUTTER)
    flat = -log_softmax(logits[blank][:, : count + negatives], dim=1).mean() if bool(blank.any()) else 0.0
    return to_text + 0.3 * to_image + 0.1 * flat


def normalise(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """[N, H, W, 3] uint8 -> [N, 3, H, W] float32 with the encoder's mean and standard deviation."""
    import torch

    mean, std = torch.tensor(PREPROCESS["mean"]), torch.tensor(PREPROCESS["std"])
    return ((torch.from_numpy(pictures).float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def _vary(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift by up to 5 pixels (reflected at the edge), the same for a whole batch."""
    import torch
    from torch.nn.functional import pad

    top, left = torch.randint(0, 11, (2,), generator=generator).tolist()
    return pad(batch, (5, 5, 5, 5), mode="reflect")[:, :, top : top + SIZE_PX, left : left + SIZE_PX]


def _build() -> tuple[Any, Any]:
    import open_clip

    text = MODEL["text_cfg"]
    tokenizer = open_clip.SimpleTokenizer(context_length=text["context_length"])  # type: ignore[index]
    return open_clip.model.CLIP(**MODEL), tokenizer  # type: ignore[arg-type]


def _step_loss(
    model: Any, tokenizer: Any, pictures: NDArray[np.uint8], kinds: NDArray[np.int64], config: TrainConfig, step: int
) -> torch.Tensor:
    """Loss of one batch, decided by (seed, step) alone, so that a resumed training goes on as it would have."""
    import torch

    rng, generator = rng_of("step", config.seed, step), torch.Generator().manual_seed(step)
    chosen = np.array(rng.sample(range(len(pictures)), config.batch_size))
    batch = _vary(normalise(pictures[chosen]), generator).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = model.encode_image(batch)
    images = torch.nn.functional.normalize(features.float(), dim=1)
    texts = model.encode_text(tokenizer(_texts(config, rng)), normalize=True)
    targets = torch.from_numpy(_targets(kinds[chosen], config.negatives_count))
    return _loss(model.logit_scale.exp() * images @ texts.T, targets, kinds[chosen], config.negatives_count)


def train(config: TrainConfig, work: Path) -> tuple[Any, float]:
    """Train, or go on from the checkpoint in `work`; returns the model and the seconds all of it took."""
    import torch

    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    pictures, kinds = _cached_samples(config, work)
    model, tokenizer = _build()
    model.visual.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=0.05, betas=(0.9, 0.98), fused=True)
    checkpoint = work / f"checkpoint-{digest_of(config)[:12]}.pt"
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["seconds"]
    started = time.monotonic() - spent
    model.train()
    while step < config.steps_count:
        warm = min(1.0, (step + 1) / 200)
        rate = config.lr * warm * 0.5 * (1 + math.cos(math.pi * step / config.steps_count))
        optimiser.param_groups[0]["lr"] = max(rate, 1e-5)
        loss = _step_loss(model, tokenizer, pictures, kinds, config, step)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        step += 1
        if step % config.checkpoint_steps_count == 0 or step == config.steps_count:
            seconds = time.monotonic() - started
            state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "seconds": seconds}
            with replacing(checkpoint) as part:
                torch.save(state, part)
            print(f"step {step}/{config.steps_count}  loss {loss.item():.3f}  {seconds:.0f} s", flush=True)
    return model.eval(), time.monotonic() - started


def save_encoder(model: Any, out: Path) -> None:
    """Write weights (float16 safetensors) and model config in open_clip's layout."""
    import torch
    from safetensors.torch import save

    state = {name: value.half().contiguous() if value.dtype == torch.float32 else value.contiguous()
             for name, value in model.state_dict().items()}  # fmt: skip
    write_atomic(out / "open_clip_model.safetensors", save(state))
    write_json(out / "open_clip_config.json", {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS})


def main() -> None:
    """Train, save, check what it reaches and write that beside the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--work", type=Path, default=Path("build/encoder"), help="folder of pictures and checkpoints")
    for name, value in asdict(TrainConfig()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args())
    out, work = options.pop("out"), options.pop("work")
    config = TrainConfig(**options)
    from relaionet.pipeline.miniature.training.encoder_card import check_encoder, write_card

    model, seconds = train(config, work)
    save_encoder(model, out)
    figures = check_encoder(out)
    write_card(out, config, figures, seconds, ENCODER_CHECK_SEEDS)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

"""Measure the shipped encoder on fresh pictures and write what it reaches beside its weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relaionet.manifests.labels import find_label, read_labels
from relaionet.manifests.store import write_atomic
from relaionet.pipeline.miniature.pictures import CLASSES, ENCODER_CHECK_SEEDS

if TYPE_CHECKING:
    from relaionet.pipeline.miniature.train_encoder import TrainConfig

TEMPLATES = ("a photo of a {name}", "a photo of a {name}, {gloss}")


def embed_prompts(model: Any, tokenizer: Any, templates: Sequence[str] = TEMPLATES) -> NDArray[np.float32]:
    """Mean prompt of each of the 1000 classes: [1000, D] float32 unit rows."""
    import torch

    total = np.zeros(1, dtype=np.float32)
    for template in templates:
        prompts = [template.format(name=label.name, gloss=label.gloss) for label in read_labels()]
        with torch.no_grad():
            total = total + model.encode_text(tokenizer(prompts), normalize=True).numpy()
    result: NDArray[np.float32] = total / np.linalg.norm(total, axis=1, keepdims=True)
    return result


def check_encoder(folder: Path, per_class_count: int = 60) -> dict[str, float]:
    """Zero-shot accuracy and the probabilities the encoder gives to pictures of one class, of none, of two.

    Args:
        folder: in open_clip's layout.
        per_class_count: fresh pictures of each class, degraded as the web does; half as many of none, words, pairs.

    Returns:
        Accuracies over the miniature's classes and over all 1000 with several prompts, the median probability of the
        nearest class for each kind of picture, and how many of each kind were used.
    """
    import open_clip
    import torch

    from relaionet.pipeline.miniature.train_encoder import CLUTTER, PAIR, WORD, draw_samples, normalise

    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    pictures, kinds = draw_samples(per_class_count, ENCODER_CHECK_SEEDS.start)
    with torch.no_grad():
        images = np.concatenate([
            model.encode_image(normalise(pictures[i : i + 100]), normalize=True).numpy()
            for i in range(0, len(pictures), 100)
        ])  # fmt: skip
    inside = np.array([find_label(wnid).class_index for wnid in CLASSES])
    group = kinds[:, 0] // 100 * 100
    truth = inside[kinds[:, 0] % 100]
    scale = float(model.logit_scale.exp().detach())
    figures: dict[str, float] = {"logit_scale": round(scale, 2), "pictures_count": int((group == 0).sum())}
    for name, templates in {"": TEMPLATES, "_photo": TEMPLATES[:1], "_gloss": ("{name}: {gloss}",)}.items():
        texts = embed_prompts(model, tokenizer, templates)
        cosines = images @ texts.T
        plain = group == 0
        figures[f"accuracy_1000{name}"] = float((cosines.argmax(1)[plain] == truth[plain]).mean())
        figures[f"accuracy_20{name}"] = float((inside[cosines[:, inside].argmax(1)][plain] == truth[plain]).mean())
        if name:
            continue
        odds = np.exp(scale * (cosines - cosines.max(1, keepdims=True)))
        odds = np.sort(odds / odds.sum(1, keepdims=True), axis=1)
        for kind, code in {"picture": 0, "clutter": CLUTTER, "word": WORD, "pair": PAIR}.items():
            rows = group == code
            figures[f"median_score_{kind}"] = float(np.median(odds[rows, -1]))
            figures[f"median_margin_{kind}"] = float(np.median(odds[rows, -1] - odds[rows, -2]))
            figures[f"over_half_frac_{kind}"] = float((odds[rows, -1] > 0.5).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def write_card(folder: Path, config: TrainConfig, figures: dict[str, float], seconds: float, seeds: range) -> None:
    """Write README.md: how the weights were made and what they reach."""
    size = (folder / "open_clip_model.safetensors").stat().st_size
    lines = [
        "# The miniature's image-text encoder", "",
        "A small open_clip model (ModifiedResNet at 64 px, two-layer text transformer, 64 dimensions) trained on",
        "pictures drawn by `pipeline/miniature/pictures.py` and texts about them. It knows the 20 classes of the",
        "miniature and nothing of the real world; no number from it says anything about reLAIONet. Written by",
        "`train_encoder.py`, measured on fresh pictures by `check_encoder.py`. Licence: that of this project.", "",
        "| what | value |", "|---|---|",
        *(f"| {name} | {value} |" for name, value in figures.items()),
        f"| weights, bytes (float16) | {size} |", f"| training, seconds on {config.threads} core(s) | {seconds:.0f} |",
        "", "`accuracy_1000`: nearest of all 1000 class texts is right; `accuracy_20`: of the 20 classes here. Without a",
        "suffix the text is the mean of two prompts (a photo of a …; with gloss), `_photo` and `_gloss` are single",
        "ones. `score` is the softmax over the 1000 classes at the logit scale above.", "",
        f"Training: {config.pictures_per_class_count} pictures per class, seeds from 1000000000;",
        f"{config.steps_count} steps of {config.batch_size} pictures, seed {config.seed}, peak rate {config.lr}.",
        f"Check: seeds from {seeds.start}.", "",
    ]  # fmt: skip
    write_atomic(folder / "README.md", "\n".join(lines).encode())

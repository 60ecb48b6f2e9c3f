"""Measure the shipped encoder on fresh pictures and write what it reaches beside its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import find_label, read_labels
from relaionet.pipeline.embeddings.class_texts import embed_labels
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder, logit_scale_of
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, ENCODER_CHECK_SEEDS
from relaionet.pipeline.miniature.training.samples import CLUTTER, PAIR, WORD, TrainConfig, draw_samples

TEMPLATES = ("a photo of a {name}", "a photo of a {name}, {gloss}")


def embed_pictures(encoder: Encoder, pictures: NDArray[np.uint8], batch_size: int = 100) -> NDArray[np.float32]:
    """[N, H, W, 3] uint8 -> [N, D] float32 unit rows."""
    import torch

    parts = [pictures[start : start + batch_size] for start in range(0, len(pictures), batch_size)]
    batches = (torch.stack([encoder.preprocess(Image.fromarray(picture)) for picture in part]) for part in parts)
    return np.concatenate([encoder.encode_images(batch) for batch in batches])


def check_encoder(folder: Path, per_class_count: int = 60) -> dict[str, float]:
    """Zero-shot accuracy and the probabilities the encoder gives to pictures of one class, of none, of two.

    Args:
        folder: in open_clip's layout.
        per_class_count: fresh pictures of each class, degraded as the web does; half as many of none, words, pairs.

    Returns:
        Accuracies over the miniature's classes and over all 1000 with several prompts; for each kind of picture the
        median probability and margin of the nearest class and the share with a probability over a half.
    """
    encoder = load_encoder(f"local-dir:{folder}", device="cpu")
    scale = logit_scale_of(encoder)
    pictures, kinds = draw_samples(per_class_count, ENCODER_CHECK_SEEDS.start)
    images = embed_pictures(encoder, pictures)
    inside = np.array([find_label(wnid).class_index for wnid in CLASSES])
    group, truth = kinds[:, 0] // 100 * 100, inside[kinds[:, 0] % 100]
    plain = group == 0
    figures: dict[str, float] = {"logit_scale": round(scale, 2), "pictures_count": int(plain.sum())}
    for name, templates in {"": TEMPLATES, "_photo": TEMPLATES[:1], "_gloss": ("{name}: {gloss}",)}.items():
        cosines = images @ embed_labels(encoder, read_labels(), templates).T  # [N, 1000]
        figures[f"accuracy_1000{name}"] = float((cosines.argmax(1)[plain] == truth[plain]).mean())
        figures[f"accuracy_20{name}"] = float((inside[cosines[:, inside].argmax(1)][plain] == truth[plain]).mean())
        if not name:
            odds = np.exp(scale * (cosines - cosines.max(1, keepdims=True)))
            best = np.sort(odds / odds.sum(1, keepdims=True), axis=1)[:, :-3:-1]  # [N, 2] highest first
            figures |= _describe_scores(best, group)
    return {name: round(value, 4) for name, value in figures.items()}


def _describe_scores(best: NDArray[np.float32], group: NDArray[np.int64]) -> dict[str, float]:
    figures = {}
    for kind, code in {"picture": 0, "clutter": CLUTTER, "word": WORD, "pair": PAIR}.items():
        rows = best[group == code]
        figures[f"median_score_{kind}"] = float(np.median(rows[:, 0]))
        figures[f"median_margin_{kind}"] = float(np.median(rows[:, 0] - rows[:, 1]))
        figures[f"over_half_frac_{kind}"] = float((rows[:, 0] > 0.5).mean())
    return figures


def write_card(folder: Path, config: TrainConfig, figures: dict[str, float], seconds: float, seeds: range) -> None:
    """Write README.md: how the weights were made and what they reach."""
    size = (folder / "open_clip_model.safetensors").stat().st_size
    lines = [
        "# The miniature's image-text encoder", "",
        "A small open_clip model (ModifiedResNet at 64 px, two-layer text transformer, 64 dimensions) trained on",
        "pictures drawn by `pipeline/miniature/drawings/pictures.py` and texts about them. It knows the miniature's 20",
        "classes and nothing of the real world; no number from it says anything about reLAIONet. Written by",
        "`train_encoder.py`, measured on fresh pictures by `check_encoder.py`. Licence: that of this project.", "",
        "| what | value |", "|---|---|",
        *(f"| {name} | {value} |" for name, value in figures.items()),
        f"| weights, bytes (float16) | {size} |", f"| training, seconds on {config.threads} core(s) | {seconds:.0f} |",
        "", "`accuracy_1000`: nearest of all 1000 class texts is right; `accuracy_20`: of the 20 known. Without a",
        "suffix the text is the mean of two prompts (a photo of a …; with gloss), `_photo` and `_gloss` are single",
        "ones. `score` is the softmax over the 1000 classes at the logit scale above.", "",
        f"Training: {config.pictures_per_class_count} pictures per class, seeds from 1000000000;",
        f"{config.steps_count} steps of {config.batch_size} pictures, seed {config.seed}, peak rate {config.lr}.",
        f"Check: seeds from {seeds.start}.", "",
    ]  # fmt: skip
    write_atomic(folder / "README.md", "\n".join(lines).encode())

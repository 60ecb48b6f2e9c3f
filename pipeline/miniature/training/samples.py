"""What the miniature's encoder is trained on: drawn pictures, worsened as the web does, with captions of many forms."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from relaionet.manifests.files import write_atomic
from relaionet.manifests.labels import find_label
from relaionet.pipeline.images.picture import read_picture
from relaionet.pipeline.miniature.drawings.pictures import (
    CLASSES,
    ENCODER_SEEDS,
    draw_clutter,
    draw_pair,
    draw_picture,
    draw_word,
    rng_of,
)

SIZE_PX = 64


TEMPLATES = (
    "a photo of a {name}", "a photo of a {name}", "{name}", "a {name}", "a photo of a {name}, {gloss}",
    "{name}: {gloss}", "a picture of {name}", "{name}, {gloss}",
)  # fmt: skip


CLUTTER, WORD, PAIR = 100, 200, 300  # added to a picture's first class position to say what kind it is


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What steers the training.

    Attributes:
        pictures_per_class_count: pictures drawn of each class; a sixth as many of clutter, words and pairs per class.
        steps_count: optimiser steps.
        batch_size: pictures per step.
        negatives_count: names of classes outside the world per step.
        lr: peak learning rate (AdamW, cosine).
        seed: of initialisation and batches.
        threads: CPU threads.
        checkpoint_steps_count: steps between checkpoints.
    """

    pictures_per_class_count: int = 1000
    steps_count: int = 6000
    batch_size: int = 64
    negatives_count: int = 64
    lr: float = 2e-3
    seed: int = 0
    threads: int = 1
    checkpoint_steps_count: int = 250


def _degrade(image: Image.Image, rng: Random) -> NDArray[np.uint8]:
    """What the web does to a picture, then the encoder's size: [64, 64, 3] uint8."""
    if rng.random() < 0.6:
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=rng.randint(30, 92))
        image = read_picture(buffer.getvalue())
    if rng.random() < 0.05:
        image = image.convert("L")
    return np.asarray(image.convert("RGB").resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC))


def draw_samples(per_class_count: int, start: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures [N, 64, 64, 3] uint8; kinds [N, 2]: class position (+ CLUTTER, WORD or PAIR), second class of a pair."""
    pictures: list[NDArray[np.uint8]] = []
    kinds: list[tuple[int, int]] = []
    for index in range(per_class_count):
        for position, wnid in enumerate(CLASSES):
            seed = start + index
            rng = rng_of("encoder", wnid, seed)
            size_px = rng.choice([64, 64, 96, 128])
            pictures.append(_degrade(draw_picture(wnid, seed, size_px), rng))
            kinds.append((position, position))
            if index % 2:
                continue
            other = rng.choice([i for i in range(len(CLASSES)) if i != position])
            kind = (CLUTTER, WORD, PAIR)[index // 2 % 3]
            extra = seed * len(CLASSES) + position
            if kind == CLUTTER:
                image = draw_clutter(extra, size_px)
            elif kind == WORD:
                image = draw_word(find_label(wnid).name, extra, size_px)
            else:
                image = draw_pair((wnid, CLASSES[other]), extra, size_px)
            pictures.append(_degrade(image, rng))
            kinds.append((position + kind, other))
    return np.stack(pictures), np.array(kinds, dtype=np.int64)


def _cached_samples(config: TrainConfig, work: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"pictures-{config.pictures_per_class_count}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return stored["pictures"], stored["kinds"]
    pictures, kinds = draw_samples(config.pictures_per_class_count, ENCODER_SEEDS.start)
    buffer = io.BytesIO()
    np.savez(buffer, pictures=pictures, kinds=kinds)
    write_atomic(path, buffer.getvalue())
    return pictures, kinds

"""Embedding against the slower of its two parts, each alone on all cores: decoding, and the forward pass.

On a CPU both parts use the same cores, so their times add up: no program can be faster than 1 / (1/decode + 1/forward).
The second row measures against that, the first against the slower part, as the goal has it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from relaionet.pipeline.embeddings.batches import CPU_BATCH, Decoded, embed_batches
from relaionet.pipeline.embeddings.dataset import DatasetConfig
from relaionet.pipeline.embeddings.embed import decode_picture, input_side_px
from relaionet.pipeline.embeddings.encoders import load_encoder
from relaionet.pipeline.images.webdataset import Sample, find_shards, read_samples
from tests.bench.pictures.embedding import write_shards, write_weights
from tests.bench.row import Row

MODEL, SIDE_PX = "ViT-B-32", 1024
COUNT, REPEATS = 128, 3


class Nothing:
    """An encoder that computes nothing, so that only decoding is left; and decoding as the other one's."""

    device, name, fingerprint = "cpu", "nothing", "n"

    def __init__(self, encoder) -> None:
        self.preprocess, self.dim = encoder.preprocess, encoder.dim

    def encode_images(self, batch):
        rows = torch.zeros(len(batch), self.dim)
        rows[:, 0] = 1
        return rows.numpy()


def best(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return COUNT / (time.perf_counter() - started)


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder / "shards", SIDE_PX, 1, COUNT)
        encoder = load_encoder(f"{MODEL}/{write_weights(folder, MODEL)}", "cpu")
        (shard,) = find_shards(str(folder / "shards"), COUNT)
        samples = list(read_samples(shard))
    side = round(DatasetConfig().reduced_ratio * input_side_px(encoder))

    def decode(sample: Sample) -> Decoded:
        return decode_picture(sample.data or b"", encoder, 10**9, hashes=False, reduced_side_px=side)

    ready = Decoded(decode(samples[0]).pixels)

    def embed(items: list, decode: Callable, encoder) -> None:
        assert sum(len(batch.vectors) for batch in embed_batches(items, decode, encoder)) == COUNT

    parts = {
        "decode": partial(embed, samples, decode, Nothing(encoder)),
        "forward": partial(embed, samples, lambda _sample: ready, encoder),
        "both": partial(embed, samples, decode, encoder),
    }
    rates = dict.fromkeys(parts, 0.0)
    for _ in range(REPEATS):
        for name, work in parts.items():
            rates[name] = max(rates[name], best(work))
    unit = f"img/s, {MODEL} fp32, {SIDE_PX} px, batch {CPU_BATCH}"
    slower = min(rates["decode"], rates["forward"])
    added = 1 / (1 / rates["decode"] + 1 / rates["forward"])
    told = f"decode alone {rates['decode']:.1f}, forward alone {rates['forward']:.1f}"
    return [
        Row(
            name="embedding_bound", ours=rates["both"], peer=slower, goal=">=0.85", unit=f"{unit} (slower part; {told})"
        ),
        Row(
            name="embedding_bound_shared",
            ours=rates["both"],
            peer=added,
            goal=">=0.85",
            unit=f"{unit} (both, one after the other)",
        ),
    ]

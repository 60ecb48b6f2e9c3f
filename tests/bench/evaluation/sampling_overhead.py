"""[sampling_overhead] Sampling of the miniature's flow, requests to finished shards, against its bare forward calls.

The bare calls are those of the same network in the same process: the same chunks, labels, times and guidance, nothing
kept. Short runs of both stand side by side in pairs, every other pair in the other order, after one of each that does
not count; the median of the pairs' ratios is the figure. What else the machine does then slows both of a pair, and a
pair that it slows unevenly is one among many. One thread: where others hold a core, torch's threads wait for each other
for longer than sampling takes (ratios of 0.65 to 1.34 were seen with two).
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import polars as pl
import torch

from relaionet.evaluators.generators.flow_maps.generator import FlowMapGenerator
from relaionet.evaluators.generators.protocol import Request, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.sampling.sample import sample_generator
from relaionet.manifests.labels import read_labels
from tests.bench.row import Row

COUNT, PAIRS = 128, 15
SETTINGS = Settings(steps=8, guidance=4.0)


def requests_of(classes: tuple[int, ...]) -> list[Request]:
    labels = read_labels()
    chosen = [labels[classes[place % len(classes)]] for place in range(COUNT)]
    rows = pl.DataFrame(
        {
            "candidate_id": [hashlib.sha256(str(place).encode()).hexdigest() for place in range(COUNT)],
            "wnid": [label.wnid for label in chosen],
            "class_index": [label.class_index for label in chosen],
        }
    )
    return make_requests(rows, base_seed=0, split_name="bench")


@torch.inference_mode()
def bare(generator: FlowMapGenerator) -> float:
    """Seconds of as many forward calls as sampling makes."""
    size = generator.chunk_size
    x = torch.randn(size, *generator.state_shape)
    labels = torch.zeros(size, dtype=torch.int64)
    started = time.perf_counter()
    for _ in range(math.ceil(COUNT / size)):
        for step in range(SETTINGS.steps):
            level = torch.full((size,), 1 - step / SETTINGS.steps)
            for _ in range(2):
                generator.network(x, level * generator.spec.time_scale, labels, None, None)
    return time.perf_counter() - started


def sample(generator: FlowMapGenerator, requests: list[Request]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        rows = sample_generator(generator, requests, SETTINGS, Path(folder))
        seconds = time.perf_counter() - started
    if set(rows["nfe"]) != {2 * SETTINGS.steps} or rows.height != COUNT:
        raise RuntimeError("sampling made other calls than those it is compared with")
    return seconds


def measure() -> list[Row]:
    generator = load_generator("miniature-flow")
    if not isinstance(generator, FlowMapGenerator) or generator.info.class_indices is None:
        raise TypeError("the miniature's flow is a flow_map of its own classes")
    requests = requests_of(generator.info.class_indices)
    torch.set_num_threads(1)
    bare(generator)
    sample(generator, requests)
    pairs = []
    for place in range(PAIRS):
        if place % 2:
            ours = sample(generator, requests)
            pairs.append((ours, bare(generator)))
        else:
            theirs = bare(generator)
            pairs.append((sample(generator, requests), theirs))
    ratios, peer = sorted(ours / theirs for ours, theirs in pairs), median(theirs for _, theirs in pairs)
    load = os.getloadavg()[0]
    half = f"{ratios[PAIRS // 4]:.3f} to {ratios[-1 - PAIRS // 4]:.3f}"
    unit = f"s for {COUNT} images (bare forward calls); middle half of {PAIRS} pairs {half}, load {load:.1f}"
    return [Row(name="sampling_overhead", ours=median(ratios) * peer, peer=peer, goal="<=1.05", unit=unit)]

"""[sampling_overhead] Sampling of the miniature's flow, requests to finished shards, against its bare forward calls.

The bare calls are those of the same network in the same process: the same chunks, labels, times and guidance, nothing
kept. Rounds of both alternate; the best of each counts.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
import time
from pathlib import Path

import polars as pl
import torch

from relaionet.evaluators.adapters.flow_map import FlowMapGenerator
from relaionet.evaluators.generators import Request, Settings
from relaionet.evaluators.registry import load_generator
from relaionet.evaluators.requests import make_requests
from relaionet.evaluators.sampling import sample_generator
from relaionet.manifests.labels import read_labels
from tests.bench.row import Row

COUNT, REPEATS = 512, 5
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
    ours, theirs = [], []
    for _ in range(REPEATS):
        theirs.append(bare(generator))
        ours.append(sample(generator, requests))
    unit = f"s for {COUNT} images (bare forward calls of the same network)"
    return [Row(name="sampling_overhead", ours=min(ours), peer=min(theirs), goal="<=1.05", unit=unit)]

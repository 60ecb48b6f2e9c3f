"""[sampling_memory] Peak memory of sampling 10,000 images of 256 px, against 1,000 of them.

Each number is sampled in a process of its own by a generator of seeded noise: nothing but sampling takes memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile

from tests.bench.row import Row

MIB = 1 << 20
CODE = """
import hashlib, json, resource, sys
from pathlib import Path
import numpy as np, polars as pl
from relaionet.evaluators.generators.protocol import Generated, Info, Settings
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.sampling.sample import sample_generator

class Noise:
    info = Info(name="noise", native_size_px=256)
    def generate(self, batch, settings):
        images = [np.random.default_rng(one.seed).integers(0, 256, (256, 256, 3), np.uint8) for one in batch]
        return Generated(images=np.stack(images), nfe=[1] * len(batch))

count = int(sys.argv[1])
ids = [hashlib.sha256(str(place).encode()).hexdigest() for place in range(count)]
rows = pl.DataFrame({"candidate_id": ids, "wnid": ["n01440764"] * count, "class_index": [0] * count})
requests = make_requests(rows, base_seed=0, split_name="bench")
sample_generator(Noise(), requests, Settings(), Path(sys.argv[2]))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
"""


def peak_bytes(count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(count), folder], capture_output=True, text=True, check=True
        )
    return int(json.loads(done.stdout))


def measure() -> list[Row]:
    few, many = peak_bytes(1_000), peak_bytes(10_000)
    unit = "MiB at 10,000 images of 256 px (at 1,000)"
    return [Row(name="sampling_memory", ours=many / MIB, peer=few / MIB, goal="<=1.15", unit=unit)]

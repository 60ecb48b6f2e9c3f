"""A job of reLAIONet, seen from the environment of a model's own code. Needs only numpy and Pillow, nothing of ours.

from job import Job
job = Job()                                   # the folder is the first argument
for batch in job.batches(8):                  # dicts: sample_id, class_index, wnid, class_name, prompt, seed
    images, nfe = make(batch, job.steps, job.guidance)      # [N, H, W, 3] uint8, forward calls of each
    job.save(batch, images, nfe)
job.finish(versions={"torch": torch.__version__})
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image


class Job:
    """What is asked for, and where the images go."""

    def __init__(self, folder=None):
        self.folder = Path(folder or sys.argv[1])
        head = json.loads((self.folder / "job.json").read_text())
        if head["schema"] != 1:
            sys.exit(f"a job of schema {head['schema']}; this script knows 1")
        self.steps = head["settings"]["steps"]
        self.guidance = head["settings"]["guidance"]
        self.device = os.environ.get("RELAIONET_DEVICE", "cuda")
        self.out = self.folder / head["out"]
        lines = (self.folder / head["requests"]).read_text().splitlines()
        self.requests = [json.loads(line) for line in lines]
        self.nfe = {}
        self.started = time.monotonic()

    def batches(self, size):
        """Requests in lists of at most `size`."""
        for start in range(0, len(self.requests), size):
            yield self.requests[start : start + size]

    def noise(self, batch, shape, torch):
        """Noise of each request from its own seed: [N, *shape] float32 on the CPU."""
        return torch.stack(
            [torch.randn(shape, generator=torch.Generator().manual_seed(request["seed"])) for request in batch]
        )

    def save(self, batch, images, nfe=None):
        """Write images, [N, H, W, 3] uint8 or PIL images, each under a name of its own and whole or not at all."""
        for place, (request, image) in enumerate(zip(batch, images)):
            if not isinstance(image, Image.Image):
                image = Image.fromarray(np.asarray(image, dtype=np.uint8))
            part = self.out / (request["sample_id"] + ".part")
            try:
                image.convert("RGB").save(part, "PNG")
                part.rename(self.out / (request["sample_id"] + ".png"))
            finally:
                part.unlink(missing_ok=True)
            if nfe is not None:
                self.nfe[request["sample_id"]] = int(nfe[place])
        self._write({})

    def _write(self, more):
        part = self.out / "meta.part"
        try:
            part.write_text(json.dumps({"nfe": self.nfe, "seconds": time.monotonic() - self.started, **more}))
            part.rename(self.out / "meta.json")
        finally:
            part.unlink(missing_ok=True)

    def finish(self, **more):
        """Say what else is worth knowing: versions, noise levels, precision."""
        self._write(more)


class Counter:
    """Counts the rows a network is given: `counter = Counter(net)`, then `counter.take(N)` -> calls per image."""

    def __init__(self, module):
        self.rows = 0
        forward = module.forward

        def counted(*args, **kwargs):
            inputs = [value for value in (*args, *kwargs.values()) if getattr(value, "ndim", 0) >= 3]
            self.rows += len(inputs[0]) if inputs else 1
            return forward(*args, **kwargs)

        module.forward = counted  # not a hook: some code calls forward itself

    def take(self, count):
        """Forward calls per image since the last time."""
        rows, self.rows = self.rows, 0
        return [rows // count] * count

"""clip-retrieval's `clip_inference` on WebDataset shards, in its own environment; the package is as it was published.

whole TARS OUT MODEL BATCH WORKERS   one run, as its command line does it
warm FEW TARS OUT MODEL BATCH WORKERS
                                     its worker twice in one process: the first run, of a few pictures, loads and warms
                                     up the model, the second one is timed and printed, in seconds
"""

import json
import logging
import sys
import time

from clip_retrieval.clip_inference.main import main as clip_inference
from clip_retrieval.clip_inference.worker import worker


def options(model: str, batch: str, workers: str) -> dict:
    return {
        "input_format": "webdataset", "enable_text": False, "enable_metadata": False, "clip_model": model,
        "use_jit": False, "batch_size": int(batch), "num_prepro_workers": int(workers),
    }  # fmt: skip


def warm(few: str, tars: str, out: str, model: str, batch: str, workers: str) -> None:
    worker([0], few, f"{out}/few", 1, **options(model, batch, workers))
    started = time.perf_counter()
    worker([0], tars, f"{out}/all", 1, **options(model, batch, workers))
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    task, *rest = sys.argv[1:]
    if task == "warm":
        warm(*rest)
    else:
        clip_inference(rest[0], rest[1], **options(*rest[2:]))

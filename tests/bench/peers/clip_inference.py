"""clip-retrieval's `clip_inference` on WebDataset shards, in its own environment; the package is as it was published.

whole TARS OUT MODEL BATCH WORKERS   one run, as its command line does it
warm TARS OUT MODEL BATCH WORKERS    its worker twice in one process: the first run loads and warms up the model,
                                     the second one is timed and printed, in seconds
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


def warm(tars: str, out: str, model: str, batch: str, workers: str) -> None:
    seconds = []
    for turn in range(2):
        started = time.perf_counter()
        worker([0], tars, f"{out}/{turn}", 1, **options(model, batch, workers))
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": seconds[1], "first_s": seconds[0]}))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    task, tars, out, *rest = sys.argv[1:]
    if task == "warm":
        warm(tars, out, *rest)
    else:
        clip_inference(tars, out, **options(*rest))

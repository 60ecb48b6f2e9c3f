"""Our embedding of WebDataset shards, twice in one process; the second run is timed and printed, in seconds.

embed_warm TARS OUT MODEL/WEIGHTS PRECISION
"""

import json
import sys
import time
from pathlib import Path

from relaionet.pipeline.embed_dataset import DatasetConfig, embed_samples
from relaionet.pipeline.encoders import load_encoder
from relaionet.pipeline.webdataset import find_shards


def main(tars: str, out: str, model: str, precision: str) -> None:
    encoder = load_encoder(model, "cpu", precision=precision)
    seconds = []
    for turn in range(2):
        started = time.perf_counter()
        for shard in find_shards(tars, 10_000):
            embed_samples(shard, encoder, DatasetConfig(), Path(out) / str(turn))
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": seconds[1], "first_s": seconds[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])

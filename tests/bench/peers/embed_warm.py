"""Our embedding of WebDataset shards, after a few in the same process; timed and printed, in seconds.

embed_warm FEW TARS OUT MODEL/WEIGHTS PRECISION
"""

import json
import sys
import time
from pathlib import Path

from relaionet.pipeline.embeddings.dataset import DatasetConfig, embed_samples
from relaionet.pipeline.embeddings.encoders import load_encoder
from relaionet.pipeline.images.webdataset import find_shards


def main(few: str, tars: str, out: str, model: str, precision: str) -> None:
    encoder = load_encoder(model, "cpu", precision=precision)
    for name, source in (("few", few), ("all", tars)):
        started = time.perf_counter()
        for shard in find_shards(source, 10_000):
            embed_samples(shard, encoder, DatasetConfig(), Path(out) / name)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])

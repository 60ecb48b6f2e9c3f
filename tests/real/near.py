"""`python -m tests.real.near`: how near the embedding of a photo encoded anew is to its own, among 1,058 photos.

What `min_cosine` and `per_row_count` of a lookup rest on; needs ../shared/real and its encoder.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images
from relaionet.pipeline.embeddings.encoders import load_encoder
from relaionet.pipeline.lookup.places import LookupConfig
from tests.real.photos import ENCODER, REAL, encode_again


def measure() -> tuple[np.ndarray, np.ndarray]:
    """[400] cosines of each Flickr photo encoded anew with its own, and how many of the others are nearer."""
    encoder = load_encoder(ENCODER, device="cpu")
    truth = pl.read_parquet(REAL / "truth.parquet").select("file", path="file")
    truth = truth.with_columns(
        candidate_id=pl.Series([hashlib.sha256(one.encode()).hexdigest() for one in truth["file"]])
    )
    _, base = embed_images(truth, encoder, REAL / "photos", EmbedConfig())
    flickr = truth.with_row_index("place").filter(pl.col("file").str.starts_with("flickr/"))
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, file in enumerate(flickr["file"]):
            data, ending = encode_again(REAL / "photos" / file, number)
            names.append(f"{number}.{ending}")
            (Path(folder) / names[-1]).write_bytes(data)
        _, again = embed_images(flickr.with_columns(path=pl.Series(names)), encoder, Path(folder), EmbedConfig())
    cosines = again.astype(np.float32) @ base.astype(np.float32).T  # [400, 1058]
    own = cosines[np.arange(len(cosines)), flickr["place"].to_numpy()]
    return own, (cosines > own[:, None]).sum(axis=1)


def main() -> None:
    """Print what was measured."""
    own, nearer = measure()
    config = LookupConfig()
    print(
        f"{len(own)} photos encoded anew, among {config.per_row_count} nearest: {(nearer < config.per_row_count).sum()}"
    )
    print(
        f"cosine with their own: least {own.min():.3f}, 1 % {np.quantile(own, 0.01):.3f}, median {np.median(own):.3f}"
    )
    print(f"below min_cosine = {config.min_cosine}: {(own < config.min_cosine).sum()}")


if __name__ == "__main__":
    main()

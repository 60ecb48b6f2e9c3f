"""Whether pictures of a class, mixed into its text row, find its pictures better: real photos, by weight.

    python -m tests.measure.prototypes [--encoder NAME]

Prototypes are made of 600 photos of 10 classes; asked are 500 other photos of these classes, and 400 of other sources,
most of classes that have no prototype, over all 1000 classes. Needs ../shared/real.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.manifests.labels import find_label, read_labels
from relaionet.manifests.tables import alive
from relaionet.pipeline.embeddings.class_texts import embed_class_texts, make_prototypes
from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder

REAL = (Path(__file__).resolve().parents[3] / "shared" / "real").resolve()
WEIGHTS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def embed_photos(encoder: Encoder, files: list[str]) -> tuple[list[str], np.ndarray]:
    """Files that could be read, and their unit rows."""
    rows = pl.DataFrame({"candidate_id": files, "path": files})
    table, vectors = embed_images(rows, encoder, REAL / "photos", EmbedConfig(batch_size=16, threads=1))
    return alive(table)["candidate_id"].to_list(), vectors.astype(np.float32)


def main() -> None:
    """Print top-1 accuracy by weight."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--encoder", default=f"{REAL / 'encoder' / 'conse.py'}:ConseEncoder")
    encoder = load_encoder(parser.parse_args().encoder, device="cpu")
    names = sorted(f"reference/{path.name}" for path in (REAL / "photos" / "reference").iterdir())
    examples, example_rows = embed_photos(encoder, names)
    wnids = [Path(name).name.partition("_")[0] for name in examples]
    prototypes = make_prototypes(example_rows, [find_label(wnid).class_index for wnid in wnids])
    truth = dict(pl.read_parquet(REAL / "truth.parquet").select("file", "class_index").iter_rows())
    sets = {
        part: embed_photos(encoder, sorted(name for name in truth if name.startswith(part)))
        for part in ("imagenette/", "flickr/")
    }
    print(f"{'weight':>8}" + "".join(f"{part:>14}" for part in sets))
    for weight in WEIGHTS:
        rows = embed_class_texts(encoder, read_labels(), ("a photo of a {name}",), prototypes, weight)
        right = [
            np.mean((vectors @ rows.T).argmax(axis=1) == np.array([truth[name] for name in files]))
            for files, vectors in sets.values()
        ]
        print(f"{weight:>8.2f}" + "".join(f"{share:>14.3f}" for share in right))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()

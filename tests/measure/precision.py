"""What bf16 on a CPU changes: rows, nearest neighbours and best classes of real photos, and how fast each is.

    python -m tests.measure.precision

Needs ../shared/real. Prints a Markdown table for docs/guides/embedding.md. The miniature is the model this project
carries, the others have random weights; a class is its plain prompt, a neighbour the nearest other photo.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from relaionet.manifests.labels import read_labels
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder
from tests.bench.pictures.embedding import write_weights

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "real" / "photos"
FOLDERS = ("imagenette", "flickr", "full")
RANDOM = ("ViT-S-32", "ViT-B-32")
BATCH = 16


def photos() -> list[Image.Image]:
    paths = [path for name in FOLDERS for path in sorted((PHOTOS / name).rglob("*")) if path.is_file()]
    return [Image.open(path).convert("RGB") for path in paths if path.suffix.lower() in (".jpg", ".jpeg", ".png")]


def embed(encoder: Encoder, batches: list[torch.Tensor]) -> tuple[np.ndarray, float]:
    """Rows, and photos per second of the forward pass on one core."""
    encoder.encode_images(batches[0])
    started = time.thread_time()
    rows = np.concatenate([encoder.encode_images(batch) for batch in batches])
    return rows, len(rows) / (time.thread_time() - started)


def neighbours(rows: np.ndarray) -> np.ndarray:
    cosines = rows.astype(np.float64) @ rows.T
    np.fill_diagonal(cosines, -2)
    return cosines.argmax(axis=1)


def compare(name: str, images: list[Image.Image]) -> str:
    full, half = (load_encoder(name, "cpu", precision=precision) for precision in ("fp32", "bf16"))
    pixels = torch.stack([full.preprocess(image) for image in images])
    batches = list(pixels.split(BATCH))
    (rows, full_rate), (rough, half_rate) = embed(full, batches), embed(half, batches)
    prompts = [f"a photo of a {label.name}" for label in read_labels()]
    best = (rows @ full.encode_texts(prompts).T).argmax(axis=1)
    rough_best = (rough @ half.encode_texts(prompts).T).argmax(axis=1)
    cosines = (rows.astype(np.float64) * rough).sum(axis=1)
    cells = (
        full.name.replace(".pt", ""), f"{full_rate:.1f}", f"{half_rate:.1f}", f"{np.median(cosines):.6f}",
        f"{cosines.min():.6f}", f"{np.mean(neighbours(rows) != neighbours(rough)):.1%}",
        f"{np.mean(best != rough_best):.1%}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    if not PHOTOS.is_dir():
        sys.exit(f"{PHOTOS} is not there")
    torch.set_num_threads(1)
    images = photos()
    print(f"{len(images)} photos\n")
    print("| model | fp32, photos/s of a core | bf16 | cosine, median | least | neighbour changed | class changed |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        print(compare("miniature", images), flush=True)
        for model in RANDOM:
            print(compare(f"{model}/{write_weights(Path(folder), model)}", images), flush=True)


if __name__ == "__main__":
    main()

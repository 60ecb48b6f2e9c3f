"""Do the metrics rank real photos as they must? Real against real of the same classes, of other classes, and damaged.

    python -m tests.measure.metrics [--photos 300]

Needs ../shared/real: photos of ten classes on either side, photos of other classes, and a real classifier (MobileNet)
whose features and logits are compared. Prints a Markdown table for docs/reference/formulas.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageFilter, ImageOps

from relaionet.evaluators.features.feature_sets import FeatureSet, extract_set
from relaionet.evaluators.features.images import ArrayImages
from relaionet.evaluators.features.models import Models
from relaionet.evaluators.metrics.lookup import find_extra
from relaionet.evaluators.protocols import Protocol, Resize
from relaionet.evaluators.scoring.measure import measure_set

REAL = (Path(__file__).resolve().parents[3] / "shared" / "real").resolve()
SIDE_PX = 224
PROTOCOL = Protocol(
    name="mobilenet", size_px=SIDE_PX, fd_extractor="mobilenet", fd_name="FD", kd_name="KD", classifier="mobilenet",
    class_order="imagenet", is_splits=1, batch_count=16,
)  # fmt: skip
Picture = Image.Image
DAMAGES: dict[str, tuple[Callable[[Picture, float], Picture], tuple[float, ...]]] = {
    "blur, radius": (lambda image, size: image.filter(ImageFilter.GaussianBlur(size)), (1, 2, 4)),
    "noise, grey levels": (lambda image, size: add_noise(image, size), (10, 25, 60)),
    "posterised, bits left": (lambda image, bits: ImageOps.posterize(image, int(bits)), (4, 3, 2)),
}
"""Kind -> (how, strengths from weak to strong)."""


class MobileNet:
    """The real classifier of ../shared/real as an extractor."""

    name, dim = "mobilenet", 768

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("conse", REAL / "encoder" / "conse.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._net = module.MobileNetV1()
        self.fingerprint = self._net.sha256

    def extract(self, images: np.ndarray) -> dict[str, np.ndarray]:
        import torch

        features = self._net.features(torch.from_numpy(images).float() / 127.5 - 1)
        return {"features": features.numpy(), "logits": self._net.logits(features).numpy()}


def add_noise(image: Picture, spread: float) -> Picture:
    pixels = np.asarray(image, np.float32)
    noise = np.random.default_rng(int(pixels.sum())).normal(size=pixels.shape) * spread
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


@cache
def read_truth() -> pl.DataFrame:
    return pl.read_parquet(REAL / "truth.parquet").sort("file")


def read_photos(rows: pl.DataFrame) -> list[Picture]:
    photos = []
    for name in rows["file"]:
        with Image.open(REAL / "photos" / name) as image:
            photos.append(image.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))
    return photos


def list_photos(folder: str) -> pl.DataFrame:
    """Photos of a folder whose names begin with their wnid."""
    files = sorted(path.name for path in (REAL / "photos" / folder).glob("n*.jpg"))
    return pl.DataFrame({"file": [f"{folder}/{name}" for name in files], "wnid": [name[:9] for name in files]})


def choose(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """`count` rows, classes in turn."""
    turn = rows.with_columns(turn=pl.int_range(pl.len()).over("wnid"))
    return turn.sort("turn", "wnid", maintain_order=True).head(count).drop("turn")


def make_set(photos: Sequence[Picture], wnids: Sequence[str], network: Any, extras: Sequence[str] = ()) -> FeatureSet:
    """Features and logits of some photos."""
    images = np.stack([np.asarray(photo) for photo in photos])
    rows = pl.DataFrame({"sample_id": [f"{row:064x}" for row in range(len(images))], "wnid": list(wnids)})
    models = Models(PROTOCOL, network, network, {}, [(find_extra(name), network) for name in extras])
    with tempfile.TemporaryDirectory() as folder:
        found = extract_set(ArrayImages(images, SIDE_PX, Resize()), rows, models, Path(folder))
        return found.take(range(len(found)))


def measure(
    count: int, strengths: int = 3, extras: Sequence[str] = ("neighbours", "infinity")
) -> list[tuple[str, str, dict[str, float]]]:
    """(kind, strength, metric -> value) against real photos of the same ten classes.

    Args:
        count: photos on either side.
        strengths: how many of each kind of damage, the weakest and the strongest first of all.
        extras: further metrics.
    """
    truth, network = read_truth(), MobileNet()
    made, reference = (choose(list_photos(name), count) for name in ("imagenette", "reference"))
    count = min(made.height, reference.height)
    classes = set(reference["wnid"])
    others = truth.filter(pl.col("file").str.starts_with("flickr/"), ~pl.col("wnid").is_in(list(classes))).head(count)
    split = make_set(read_photos(reference.head(count)), reference["wnid"].head(count), network, extras)
    photos, wnids = read_photos(made.head(count)), made["wnid"].head(count).to_list()
    cases = [("same classes", "", photos, wnids)]
    if others.height == count:
        cases.append(("other classes", "", read_photos(others), others["wnid"].to_list()))
    for kind, (damage, sizes) in DAMAGES.items():
        for size in sizes if strengths >= len(sizes) else (sizes[0], sizes[-1]):
            cases.append((kind, f"{size:g}", [damage(photo, size) for photo in photos], wnids))
    found = []
    for kind, size, pictures, names in cases:
        estimates = measure_set(make_set(pictures, names, network, extras), split).estimates
        found.append((kind, size, {name: one.value for name, one in estimates.items()}))
    return found


def main(count: int) -> None:
    found = measure(count)
    names = list(found[0][2])
    print(f"{count} photos on either side, MobileNet v1 features ({MobileNet.dim}):\n")
    print("| against real photos of ten classes | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for kind, size, values in found:
        print(f"| {kind} {size} | " + " | ".join(f"{values[name]:.4g}" for name in names) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=300)
    main(parser.parse_args().photos)

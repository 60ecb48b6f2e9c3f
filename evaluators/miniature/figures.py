"""Measures what the shipped weights reach, and writes `weights/README.md` and a sheet of samples.

`python -m relaionet.evaluators.miniature.figures --work DIR`
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from relaionet.evaluators.generators.protocol import Generator, Request, Settings
from relaionet.evaluators.generators.registry import load_generator
from relaionet.evaluators.generators.requests import make_requests
from relaionet.evaluators.metrics.frechet import Gaussian, fit_gaussian, frechet_distance
from relaionet.evaluators.miniature.classifier import load_classifier
from relaionet.evaluators.miniature.pictures import CLASS_INDICES, HELD_OUT_SEED, draw_pool
from relaionet.manifests.files import read_json, write_atomic
from relaionet.pipeline.miniature.drawings.pictures import CLASSES

REFERENCE_PER_CLASS = 100
STEPS = (1, 2, 4, 8)
GUIDANCES = (1.0, 2.0, 4.0)
BATCH_SIZE = 64

README = """# What the miniature's generators and classifier reach

Written by `python -m relaionet.evaluators.miniature.figures`; every number below was measured by it. These are the
miniature's toys: no number here says anything about reLAIONet or about a published system.

Made by `train_classifier`, `train_generators flow` and `train_generators meanflow`, in this order, on drawings of the
synthetic world (seeds in `pictures.py`). Files are float16 safetensors of the averaged weights.
Images per second and training seconds depend on what else the machine was doing.

| file | {keys} |
|---|{rule}|
{training}
{notes}
## On {count} images, {per_class} of each class

Fréchet distance of the classifier's 64 features to {reference} held-out pictures of the world (biased by the number of
images: compare within this table only), and the share of images the classifier puts into the class asked for.

| generator | steps | guidance | forward calls | Fréchet distance | accuracy | images per second |
|---|---|---|---|---|---|---|
{measured}

Threads: {threads}. The same classifier puts {classifier:.1%} of held-out pictures into their class.
"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table: settings, forward calls per image, distance, accuracy (0 to 1), images per second."""

    name: str
    settings: Settings
    nfe: float
    distance: float
    accuracy: float
    images_per_s: float


@torch.inference_mode()
def _classify(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features `[N, 64]` and labels `[N]` of images `[N, 32, 32, 3]`."""
    classifier = load_classifier()
    features = [
        classifier.features(torch.from_numpy(part).permute(0, 3, 1, 2))
        for part in np.array_split(images, max(1, len(images) // BATCH_SIZE))
    ]
    stacked = torch.cat(features)
    return stacked.numpy(), classifier.logits(stacked).argmax(dim=1).numpy()


def make_class_requests(per_class: int) -> list[Request]:
    """Requests for every class of the miniature, classes taking turns."""
    rows = pl.DataFrame(
        {
            "candidate_id": [f"figure-{i}" for i in range(per_class * len(CLASSES))],
            "wnid": list(CLASSES) * per_class,
            "class_index": list(CLASS_INDICES) * per_class,
        }
    )
    return make_requests(rows, base_seed=0, split_name="figures")


def generate_all(generator: Generator, requests: Sequence[Request], settings: Settings) -> tuple[np.ndarray, float]:
    """Images `[N, H, W, 3]` uint8 and mean forward calls."""
    made = [generator.generate(requests[i : i + BATCH_SIZE], settings) for i in range(0, len(requests), BATCH_SIZE)]
    return np.concatenate([one.images for one in made]), float(np.mean([count for one in made for count in one.nfe]))


def measure_generator(
    generator: Generator, requests: Sequence[Request], settings: Settings, reference: Gaussian
) -> Figure:
    """Run one generator at one setting and measure it."""
    started = time.monotonic()
    images, nfe = generate_all(generator, requests, settings)
    seconds = time.monotonic() - started
    features, labels = _classify(images)
    wanted = np.array([CLASS_INDICES.index(request.class_index) for request in requests])
    return Figure(
        name=generator.info.name, settings=settings, nfe=nfe,
        distance=frechet_distance(fit_gaussian(features), reference), accuracy=float((labels == wanted).mean()),
        images_per_s=len(requests) / seconds,
    )  # fmt: skip


def measure_all(per_class: int, work: Path) -> list[Figure]:
    """World, the trained generators over steps and guidance, and noise."""
    pool = draw_pool(REFERENCE_PER_CLASS, HELD_OUT_SEED, work / "held_out.npy")
    reference = fit_gaussian(_classify(pool.reshape(-1, *pool.shape[2:]))[0])
    requests = make_class_requests(per_class)
    runs = [("miniature-world", Settings(steps=0))]
    for name in ("miniature-flow", "miniature-meanflow"):
        runs += [(name, Settings(steps=steps, guidance=scale)) for steps in STEPS for scale in GUIDANCES]
    runs.append(("miniature-noise", Settings(steps=0)))
    figures = []
    for name, settings in runs:
        figures.append(measure_generator(load_generator(name), requests, settings, reference))
        print(figures[-1], flush=True)  # noqa: T201  a script
    return figures


def draw_sheet(generator: Generator, settings: Settings, columns: int = 12) -> NDArray[np.uint8]:
    """One row of samples for each class, `[20 * 32, columns * 32, 3]` uint8."""
    images, _ = generate_all(generator, make_class_requests(columns), settings)
    grid = images.reshape(columns, len(CLASSES), *images.shape[1:]).transpose(1, 2, 0, 3, 4)
    return grid.reshape(len(CLASSES) * images.shape[1], columns * images.shape[2], 3)


def write_readme(figures: Sequence[Figure], per_class: int, weights: Path) -> None:
    """Write `README.md` beside the weights from the figures and the training records."""
    records = {name: read_json(weights / f"{name}.json") for name in ("classifier", "flow", "meanflow")}
    notes = "".join(f"\n{name}: {record.pop('note')}\n" for name, record in records.items() if "note" in record)
    keys = list(dict.fromkeys(key for record in records.values() for key in record))
    training = [
        f"| {name}.safetensors | " + " | ".join(str(record.get(key, "")) for key in keys) + " |"
        for name, record in records.items()
    ]
    measured = [
        f"| {one.name} | {one.settings.steps} | {one.settings.guidance:g} | {one.nfe:g} | {one.distance:.2f} | "
        f"{one.accuracy:.1%} | {one.images_per_s:.0f} |"
        for one in figures
    ]
    text = README.format(
        keys=" | ".join(keys), rule="|".join(["---"] * len(keys)), training="\n".join(training), notes=notes,
        measured="\n".join(measured), count=per_class * len(CLASSES), per_class=per_class,
        reference=REFERENCE_PER_CLASS * len(CLASSES), threads=torch.get_num_threads(),
        classifier=records["classifier"]["accuracy on held-out pictures"],
    )  # fmt: skip
    write_atomic(weights / "README.md", text.encode())


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("runs/training"))
    parser.add_argument("--per-class", type=int, default=25)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = measure_all(options.per_class, options.work)
    write_readme(figures, options.per_class, Path(__file__).parent / "weights")


if __name__ == "__main__":
    main()

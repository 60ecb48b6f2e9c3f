"""Memory of extracting features and of every metric, at 50,000 images against 2,000.

Each number of images runs in a process of its own; what is compared is the most anonymous memory it held above what it
held before the first image (features stay on disk as memory maps, whose pages the system may drop at any time). 256
features, 200 logits, 20 classes; everything an evaluation does with a set: FD, KD and IS with their intervals, the
scores by class, the influences kept for comparisons, and what is odd about the set.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from tests.bench.row import Row

FEW, MANY, DIM, LOGITS, SIDE_PX = 2_000, 50_000, 256, 200, 8


class Watch:
    """The most anonymous memory of this process since it was started, in MiB."""

    def __init__(self) -> None:
        self.before = self.most = read_anonymous()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.is_set():
            self.most = max(self.most, read_anonymous())
            time.sleep(0.005)

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.most - self.before


def read_anonymous() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell a process's anonymous memory")


class Noise:
    """Features that cost nothing: random numbers that follow the pixels."""

    name, dim, fingerprint = "noise", DIM, "noise"

    def extract(self, images: np.ndarray) -> dict[str, np.ndarray]:
        pixels = images.reshape(len(images), -1).astype(np.float32) / 128 - 1
        mix = np.random.default_rng(0).normal(size=(pixels.shape[1], DIM + LOGITS)).astype(np.float32) * 0.3
        rows = np.maximum(pixels @ mix + np.random.default_rng(int(images.sum())).normal(size=(len(images), 1)), 0)
        return {"features": rows[:, :DIM], "logits": rows[:, DIM:]}


def run(count: int, folder: Path) -> float:
    """Extract and score `count` images; the most memory it took, in MiB."""
    import polars as pl

    from relaionet.evaluators.features.feature_sets import extract_set
    from relaionet.evaluators.features.images import ArrayImages
    from relaionet.evaluators.features.models import Models
    from relaionet.evaluators.protocols import Protocol, Resize
    from relaionet.evaluators.scoring.by_class import score_classes
    from relaionet.evaluators.scoring.influences import keep_influences, write_influences
    from relaionet.evaluators.scoring.measure import measure_set
    from relaionet.evaluators.scoring.score import Setting, list_scores
    from relaionet.evaluators.scoring.warnings import find_warnings
    from relaionet.manifests.labels import read_labels

    protocol = Protocol(name="bench", size_px=SIDE_PX, fd_extractor="noise", classifier="noise", is_splits=1)
    wnids = [label.wnid for label in read_labels()][:20]
    rows = pl.DataFrame(
        {"sample_id": [f"{row:064x}" for row in range(count)], "wnid": [wnids[row % 20] for row in range(count)]}
    )
    for name in ("made", "real"):
        images = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, (count, SIDE_PX, SIDE_PX, 3))
        for start in range(0, count, 1000):
            seed = start + (name == "real")
            images[start : start + 1000] = np.random.default_rng(seed).integers(
                0, 256, images[start : start + 1000].shape
            )
        images.flush()
    warm = np.load(folder / "made.npy", mmap_mode="r")[:256]
    models = Models(protocol, Noise(), Noise(), {})
    small = [
        extract_set(ArrayImages(warm, SIDE_PX, Resize()), rows[:256], models, folder / f"warm{place}")
        for place in (0, 1)
    ]
    list_scores(measure_set(*small), Setting(generator="g", split="s"))
    watch = Watch()
    sets = [
        extract_set(
            ArrayImages(np.load(folder / f"{name}.npy", mmap_mode="r"), SIDE_PX, Resize()), rows, models, folder / name
        )
        for name in ("made", "real")
    ]
    measured = measure_set(*sets)
    list_scores(measured, Setting(generator="g", split="s"))
    score_classes(measured, Setting(generator="g", split="s"))
    write_influences(folder / "influences.npz", keep_influences(measured, "g"))
    find_warnings(measured.samples, measured.reference)
    return watch.stop()


def measure() -> list[Row]:
    found = {}
    for count in (FEW, MANY):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tests.bench.evaluation.metrics_memory", str(count), folder]
            found[count] = float(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    unit = f"MiB ({MANY:,} images against {FEW:,})"
    return [Row(name="metrics_memory", ours=found[MANY], peer=found[FEW], goal="<=1.5", unit=unit)]


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), Path(sys.argv[2]))))

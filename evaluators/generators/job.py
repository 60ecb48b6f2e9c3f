"""What a generator outside this process is told and gives back: the same requests and images for files and for HTTP.

A job is a list of requests at one setting. What comes back is one picture per sample id, and how many forward calls
each took. Ids that are missing may be asked for again; an id nobody asked for is an error, as it means that images and
requests are out of step.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaionet.evaluators.generators.protocol import MAX_SIDE_PX, Request, Settings
from relaionet.manifests.containers.limits import JSON
from relaionet.manifests.containers.texts import parse_json, read_bounded
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import write_atomic, write_json
from relaionet.pipeline.arrays import map_npy
from relaionet.pipeline.images.decode import BrokenImage, TooLarge
from relaionet.pipeline.images.files import is_systems_own
from relaionet.pipeline.images.picture import read_picture

SCHEMA = 1
META_LIMIT_BYTES = JSON.max_bytes
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True)
class Place:
    """Where an image lies.

    Attributes:
        path: a PNG, or an array of images.
        row: of the array; None for a PNG.
    """

    path: Path
    row: int | None = None

    def read(self) -> NDArray[np.uint8]:
        """The image, `[H, W, 3]` uint8."""
        if self.row is None:
            return read_image(self.path)
        return np.array(map_npy(self.path)[self.row])


@dataclass(frozen=True, kw_only=True)
class Made:
    """What came back for a job.

    Attributes:
        images: sample_id -> where its image is; only those that can be read.
        nfe: sample_id -> forward calls; ids without a count are absent.
        meta: everything else that was said: versions, seconds, realised sigmas, …
    """

    images: Mapping[str, Place]
    nfe: Mapping[str, int] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


def check_ids(requests: Sequence[Request]) -> None:
    """Refuse ids that could not be file names.

    Raises:
        BadInput: an id has other characters than letters, digits, `.`, `_` and `-`.
    """
    for request in requests:
        if not _SAFE_ID.fullmatch(request.sample_id):
            raise BadInput(f"sample_id {request.sample_id!r:.80} cannot be a file name.")


def job_of(name: str, requests: Sequence[Request], settings: Settings) -> dict[str, Any]:
    """A job as plain values: schema, generator, settings, requests."""
    return {
        "schema": SCHEMA,
        "generator": name,
        "settings": dataclasses.asdict(settings),
        "requests": [dataclasses.asdict(request) for request in requests],
    }


def write_job(folder: Path, job: Mapping[str, Any]) -> None:
    """Write a job as files: `job.json` (all but the requests, and where they are) and `requests.jsonl`."""
    (folder / "out").mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(request) + "\n" for request in job["requests"])
    write_atomic(folder / "requests.jsonl", lines.encode())
    head = {key: value for key, value in job.items() if key != "requests"}
    head |= {"requests": "requests.jsonl", "out": "out"}
    write_json(folder / "job.json", head)


def read_image(data: bytes | Path) -> NDArray[np.uint8]:
    """Decode one image of a stranger.

    Returns:
        `[H, W, 3]` uint8.

    Raises:
        ValueError: it is no image, or larger than 4096 pixels a side.
    """
    try:
        image = read_picture(data, max_pixels=MAX_SIDE_PX**2)
    except TooLarge as error:
        raise ValueError(_too_large(error.width_px, error.height_px)) from None
    except (OSError, BrokenImage) as error:
        raise ValueError(f"no image that can be read: {error}") from None
    if max(image.size) > MAX_SIDE_PX:
        raise ValueError(_too_large(*image.size))
    return np.asarray(image)


def _too_large(width_px: int, height_px: int) -> str:
    return f"{width_px} x {height_px} pixels; the limit is {MAX_SIDE_PX} a side"


def read_made(folder: Path, wanted: Iterable[str], where: str) -> Made:
    """Read what a command left: `<sample_id>.png`, or `images.npy` with `ids.json`; and `meta.json`.

    Files that cannot be read count as missing, so that they are asked for again.

    Args:
        folder: the job's `out`.
        wanted: ids that were asked for.
        where: names the generator in errors.

    Raises:
        BadInput: an image of an id that was not asked for, or arrays that do not fit each other.
    """
    asked = set(wanted)
    meta = _read_meta(folder / "meta.json", where)
    images = _find_rows(folder, where) if (folder / "images.npy").exists() else _find_pictures(folder)
    extra = sorted(set(images) - asked)
    if extra:
        raise BadInput(
            f"{where} made {len(extra)} images nobody asked for, the first is '{extra[0]:.80}'; its images are named "
            "by sample_id."
        )
    return Made(images=images, nfe=read_nfe(meta.pop("nfe", None), asked), meta=meta)


def read_nfe(found: Any, asked: Iterable[str]) -> dict[str, int]:
    """Counts of forward calls: one number for all, or one per id; anything else is no count."""
    if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
        return dict.fromkeys(asked, found)
    if isinstance(found, dict):
        return {one: int(found[one]) for one in asked if isinstance(found.get(one), int) and found[one] >= 0}
    return {}


def _read_meta(path: Path, where: str) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > META_LIMIT_BYTES:
        return {}
    try:
        meta = parse_json(read_bounded(path, META_LIMIT_BYTES))
    except ValueError as error:
        raise BadInput(f"{where} wrote a meta.json that is no JSON: {error}.") from None
    if not isinstance(meta, dict):
        raise BadInput(f"{where} wrote a meta.json that is no table of keys.")
    return meta


def _find_pictures(folder: Path) -> dict[str, Place]:
    found = {}
    for path in sorted(folder.glob("*.png")):
        if is_systems_own(path.name):
            continue
        try:
            read_image(path)
        except ValueError:
            continue
        found[path.stem] = Place(path)
    return found


def _find_rows(folder: Path, where: str) -> dict[str, Place]:
    try:
        images = map_npy(folder / "images.npy")
        ids = parse_json(read_bounded(folder / "ids.json", META_LIMIT_BYTES))
    except (ValueError, OSError) as error:
        raise BadInput(f"{where} wrote images.npy or ids.json that cannot be read: {error}.") from None
    if not images.ndim or not isinstance(ids, list) or len(ids) != len(images) or len(set(map(str, ids))) != len(ids):
        raise BadInput(f"{where}: ids.json must list the ids of images.npy {images.shape}, each once.")
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise BadInput(f"{where}: images.npy is {images.shape} {images.dtype}; expected [N, H, W, 3] uint8.")
    return {str(one): Place(folder / "images.npy", row) for row, one in enumerate(ids)}

"""Pictures as reviewers see them: every one encoded anew in one way, under a name that gives nothing away.

A control comes from another place than the pictures around it. Its format, its encoder, its metadata, its date or the
digest of its bytes would tell an attentive reviewer so; after this, all pictures have the same of each.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import HEX_64
from relaionet.manifests.replacing import replacing
from relaionet.pipeline.images.picture import read_picture

if TYPE_CHECKING:
    from PIL import Image

VERSION = "3"
SUFFIX = ".jpg"
_LONGEST_PX = 2048
_QUALITY = 92
_DATE_S = 1_000_000_000  # of every file, as servers tell browsers when a file was last changed
_THREADS = 2
STRIP_PX = (372, 118)
STRIP_COUNT = 3


def stage_image(root: Path, path: str, candidate_id: str, folder: Path) -> Path:
    """Put one picture into `folder` as `<candidate_id>.jpg`, unless it is there.

    It is decoded, turned upright, brought to sRGB on white and to at most 2048 pixels, and stored as JPEG without any
    metadata: nothing of the original file is left but what it shows, so it can hold no position and no script.

    Args:
        root: folder that `path` is relative to.
        path: the picture.
        candidate_id: 64 hexadecimal digits.
        folder: where to; made when missing.

    Returns:
        The file in `folder`.

    Raises:
        BadInput: the id is malformed, or the picture is missing, outside `root` or not decodable.
    """
    if not re.fullmatch(HEX_64, candidate_id):
        raise BadInput(f"candidate_id {candidate_id!r} is not 64 hexadecimal digits.")
    target = folder / (candidate_id + SUFFIX)
    if target.exists():
        return target
    source = (root / path).resolve()
    if not source.is_relative_to(root.resolve()) or not source.is_file():
        raise BadInput(f"the picture of {candidate_id[:12]}… is not at {root / path}; fetch the images first.")
    return _write(target, encode_image(source))


def stage_images(files: Mapping[str, tuple[Path, str]], folder: Path) -> dict[str, Path]:
    """`stage_image` for many at once.

    Args:
        files: candidate_id -> (folder, path in it).
        folder: where to.
    """
    with ThreadPoolExecutor(_THREADS) as pool:  # the decoder and the encoder let other threads work
        done = pool.map(lambda one: stage_image(*files[one], one, folder), files)
        return dict(zip(files, done, strict=True))


def encode_image(source: Path) -> bytes:
    """One picture's bytes as reviewers get them.

    Raises:
        BadInput: it cannot be decoded.
    """
    try:
        shown = read_picture(source, reduced_side_px=_LONGEST_PX)
        shown.thumbnail((_LONGEST_PX, _LONGEST_PX))
        return _as_jpeg(shown)
    except (OSError, ValueError) as error:
        raise BadInput(f"{source} cannot be shown to reviewers: {error}.") from None


def _as_jpeg(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.info = {}  # what the original said beside its pixels
    image.save(data, format="JPEG", quality=_QUALITY, subsampling=0)
    return data.getvalue()


def store_picture(data: bytes, folder: Path) -> Path:
    """Store a made picture in `folder` under the digest of its bytes, unless it is there."""
    target = folder / (hashlib.sha256(data).hexdigest() + SUFFIX)
    return target if target.exists() else _write(target, data)


def _write(target: Path, data: bytes) -> Path:
    with replacing(target) as part:
        part.write_bytes(data)
        os.utime(part, (_DATE_S, _DATE_S))
    return target


def reference_pictures(folder: Path, wnid: str) -> list[Path]:
    """The first few pictures of a class, by name; empty where there are none."""
    place = folder / wnid
    found = sorted(one for one in place.iterdir() if one.is_file()) if place.is_dir() else []
    return found[:STRIP_COUNT]


def make_strip(pictures: Sequence[Path]) -> bytes:
    """Reference pictures of one class side by side, as one small JPEG of `STRIP_PX`.

    Args:
        pictures: at least one, at most `STRIP_COUNT`.

    Raises:
        BadInput: one of them cannot be decoded.
    """
    from PIL import Image, ImageOps

    width, height = STRIP_PX
    step = (width + 4) // STRIP_COUNT
    strip = Image.new("RGB", STRIP_PX, "white")
    for place, picture in enumerate(pictures[:STRIP_COUNT]):
        image = read_picture(encode_image(picture))
        strip.paste(ImageOps.fit(image, (step - 4, height)), (place * step, 0))
    return _as_jpeg(strip)

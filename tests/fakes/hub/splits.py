"""A small finished split with its release, written as a rebuild writes them, without a web to fetch from."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from relaionet.manifests.files import write_json
from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.release import make_release, read_release
from relaionet.manifests.store import Store
from relaionet.manifests.tables import MANIFEST, SPLIT
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.splits.card import write_split_card
from relaionet.pipeline.splits.facts import describe_split
from relaionet.pipeline.splits.plan import SplitConfig

CLASSES = (7, 134, 517)
FURTHER = read_labels()[900].wnid
FORMATS = ("JPEG", "PNG", "WEBP")
FETCHED_AT = datetime(2025, 1, 1, tzinfo=UTC)
GPS_IFD, LATITUDE_REF, LATITUDE = 0x8825, 1, 2


def make_picture(number: int) -> tuple[Image.Image, bytes]:
    """A smooth random picture; every third is a JPEG, and every second JPEG says where it was taken."""
    grid = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image, out = Image.fromarray(grid).resize((64, 48), Image.Resampling.BICUBIC), io.BytesIO()
    format = FORMATS[number % 3]
    exif = Image.Exif()
    if number % 6 == 0:
        exif[GPS_IFD] = {LATITUDE_REF: "N", LATITUDE: (52.0, 12.0, 33.0)}
    image.save(out, format, **({"exif": exif} if number % 6 == 0 else {}))
    return image, out.getvalue()


def make_split(folder: Path, count: int, seed: int = 0, *, several: bool = False) -> tuple[Path, Path]:
    """Write a release and its split.

    Args:
        folder: gets `release/` and `split/`.
        count: rows, of three classes and three formats in turn; the last one is gone.
        seed: another seed is other pictures.
        several: every second row shows a further class.

    Returns:
        Folder of the release's version, folder of the split.
    """
    manifest, split = [], []
    for number in range(count):
        image, data = make_picture(number + 1000 * seed)
        label, format = read_labels()[CLASSES[number % 3]], FORMATS[number % 3].lower()
        url, sha256 = f"https://pictures.invalid/{seed}/{number}", hashlib.sha256(data).hexdigest()
        candidate_id, is_gone = hashlib.sha256(url.encode()).hexdigest(), number == count - 1
        path = f"images/{label.wnid}/{candidate_id}.{format}"
        known = {
            "candidate_id": candidate_id, "wnid": label.wnid, "class_index": label.class_index, "image_sha256": sha256,
            "bytes_count": len(data), "width_px": 64, "height_px": 48, "format": format,
            "wnids": sorted({label.wnid, FURTHER}) if several and number % 2 else None,
        }  # fmt: skip
        manifest.append(
            dict.fromkeys(MANIFEST.columns) | known | {
                "url": url, "class_name": label.name, "phash": phash_hex(image), "votes_count": 3, "yes_count": 3,
                "selection_frac": 1.0, "fetched_at": FETCHED_AT,
            }
        )  # fmt: skip
        if is_gone:
            known = {key: known[key] for key in ("candidate_id", "wnid", "class_index", "wnids")}
            told = {"kept": False, "status": "gone", "reason": "HTTP 404", "may_come_back": False}
        else:
            (folder / "split" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "split" / path).write_bytes(data)
            told = {"kept": True, "status": "exact", "path": path}
        split.append(dict.fromkeys(SPLIT.columns) | known | told)
    rows = pl.DataFrame(manifest, schema=MANIFEST.schema)
    release = read_release(make_release(rows, folder / "release", notes={"miniature": True}))
    table = pl.DataFrame(split, schema=SPLIT.schema)
    times = {"from": FETCHED_AT.isoformat(), "to": FETCHED_AT.isoformat()}
    about = describe_split(table, release, SplitConfig(), [times])
    write_split_card(folder / "split", table.filter("kept"), about)
    Store(folder / "split").write(table, SPLIT, "0" * 64)
    write_json(folder / "split" / "split.json", about)
    return release.path, folder / "split"

"""Rows of a release of drawn pictures, and addresses that serve pictures."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from relaionet.manifests.labels import read_labels
from relaionet.manifests.release.manifest_check import adopted_id, url_id
from relaionet.manifests.tables import MANIFEST
from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.lookup.compare import Served

AT = datetime(2026, 1, 2, tzinfo=UTC)
MAX_PIXELS = 1_000_000


def draw(seed: int, side: int = 160) -> Image.Image:
    """A picture unlike every other: shapes of many colours."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), tuple(int(value) for value in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, w, h = (int(value) for value in rng.integers(0, side, 4))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        pen.ellipse((x - w // 2, y - h // 2, x + w // 2, y + h // 2), fill=colour)
    return image


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def manifest_of(pictures: Mapping[str, bytes], urls: Mapping[str, str] | None = None, version: int = 2) -> pl.DataFrame:
    """MANIFEST rows of adopted pictures: path -> bytes; some may have a URL."""
    rows = []
    for number, (path, data) in enumerate(pictures.items()):
        prints = take_fingerprints(data, MAX_PIXELS, version)
        sha256, label = hashlib.sha256(data).hexdigest(), read_labels()[number % 1000]
        rows.append(
            {
                "candidate_id": adopted_id(sha256, path), "path": path, "url": (urls or {}).get(path),
                "image_sha256": sha256, "phash": prints.phash, "thumbprint": prints.thumbprint,
                "fingerprint_version": version, "bytes_count": len(data), "width_px": prints.facts.width_px,
                "height_px": prints.facts.height_px, "format": prints.facts.format, "wnid": label.wnid,
                "class_index": label.class_index, "class_name": label.name, "votes_count": 0, "yes_count": 0,
                "reviewers": [],
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=MANIFEST.schema)


def served_by(addresses: Mapping[str, bytes | str], versions: tuple[int, ...] = (2,)) -> Served:
    """What addresses serve: bytes, or the words that say why nothing came."""
    fetched, pictures = [], []
    for url, data in addresses.items():
        is_there = isinstance(data, bytes)
        fetched.append(
            {
                "url_id": url_id(url), "url": url, "fetched_at": AT if is_there else None,
                "image_sha256": hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else None,
                "fetch_status": "ok" if is_there else "gone", "fetch_reason": None if is_there else data,
            }
        )  # fmt: skip
        for version in versions if isinstance(data, bytes) else ():
            prints = take_fingerprints(data, MAX_PIXELS, version)  # type: ignore[arg-type]
            told = {"phash": prints.phash, "thumbprint": prints.thumbprint}
            pictures.append({"url_id": url_id(url), "fingerprint_version": version, **told})
    strings = dict.fromkeys(("url_id", "url", "image_sha256", "fetch_status", "fetch_reason"), pl.String)
    return Served(
        fetched=pl.DataFrame(fetched, schema={**strings, "fetched_at": pl.Datetime("us", "UTC")}),
        pictures=pl.DataFrame(
            pictures,
            schema={
                "url_id": pl.String, "fingerprint_version": pl.Int32, "phash": pl.String, "thumbprint": pl.String
            },
        ),
    )  # fmt: skip


def near_pairs(*pairs: tuple[str, str, float]) -> pl.DataFrame:
    """candidate_id, url_id and cosine from (candidate_id, url, cosine)."""
    rows = [(candidate_id, url_id(url), cosine) for candidate_id, url, cosine in pairs]
    schema = {"candidate_id": pl.String, "url_id": pl.String, "cosine": pl.Float32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def origins_of(urls: list[str], place: str = "rows.parquet") -> pl.DataFrame:
    """Where each address is from."""
    rows = [(url_id(url), place, number, f"caption of {url}") for number, url in enumerate(urls)]
    schema = {"url_id": pl.String, "found_in": pl.String, "found_row": pl.Int64, "caption": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")

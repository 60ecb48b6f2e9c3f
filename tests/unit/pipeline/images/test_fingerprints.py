"""A release is verified by the fingerprints of its own version, for ever.

`fingerprints_1.tsv` was written by the code of commit 57e12d1, which took version 1 and knew of no other; the files it
could not read are not among them.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.release.release import check_release, make_release
from relaionet.manifests.tables.releases import FINGERPRINT_VERSIONS
from relaionet.pipeline.images.fingerprints import VERSION, take_fingerprints
from relaionet.pipeline.splits.local_images import collect_images
from relaionet.pipeline.splits.verdicts import VerdictConfig, compare_pictures, judge_rows
from tests.unit.manifests.conftest import manifest_rows
from tests.unit.pipeline.images.odd_files import encode, odd_files, with_orientation

MAX_PIXELS = 10_000_000
FILES = {one.name: one for one in odd_files()}
with Path(__file__).with_name("fingerprints_1.tsv").open(encoding="utf-8") as table:
    FIRST = {row["file"]: row for row in csv.DictReader(table, delimiter="\t")}


@pytest.mark.parametrize("name", FIRST)
def test_version_1_is_what_it_was(name: str) -> None:
    found = take_fingerprints(FILES[name].data, MAX_PIXELS, 1)
    assert found.phash == FIRST[name]["phash"]
    assert hashlib.sha256(found.thumbprint.encode()).hexdigest()[:16] == FIRST[name]["thumbprint_sha256"]


def test_versions_differ_where_the_picture_was_not_seen_as_it_is_shown() -> None:
    differ = {
        name for name in FIRST
        if take_fingerprints(FILES[name].data, MAX_PIXELS, 1) != take_fingerprints(FILES[name].data, MAX_PIXELS)
    }  # fmt: skip
    assert {"black on nothing", "alpha", "profile of other colours", "linear light by gAMA"} <= differ
    assert not differ & {"BMP", "orientation 6", "16 bit grey", "progressive JPEG", "profile sRGB", "animated PNG"}
    with pytest.raises(ValueError, match=r"version 3: expected one of \(1, 2\)"):
        take_fingerprints(FILES["BMP"].data, MAX_PIXELS, 3)
    assert max(FINGERPRINT_VERSIONS) == VERSION == 2


def drawing(seed: int) -> Image.Image:
    """A black drawing on nothing, whose colours without their transparency are one black field."""
    rng = np.random.default_rng(seed)
    alpha = Image.fromarray(rng.integers(0, 2, (6, 8), dtype=np.uint8) * 255).resize((320, 240))
    image = Image.new("RGBA", alpha.size, (0, 0, 0, 0))
    image.putalpha(alpha)
    return image


def flattened(image: Image.Image) -> bytes:
    ground = Image.new("RGBA", image.size, "white")
    return encode(Image.alpha_composite(ground, image).convert("RGB"), "JPEG", quality=90)


def judge(rows: pl.DataFrame, folder: Path) -> list[str]:
    found = compare_pictures(rows, folder, MAX_PIXELS)
    told = rows.with_columns(fetch_status=pl.lit("ok"), fetch_reason=pl.lit("")).join(
        found.drop("image_sha256"), on="candidate_id"
    )
    return judge_rows(told, VerdictConfig())["status"].to_list()


def expected(number: int, data: bytes, version: int | None) -> dict[str, object]:
    prints = take_fingerprints(data, MAX_PIXELS, version or 1)
    return {
        "candidate_id": str(number), "expected_sha256": "a", "image_sha256": "b", "place": str(number),
        "expected_phash": prints.phash, "expected_thumbprint": prints.thumbprint, "expected_version": version,
    }  # fmt: skip


def test_rows_of_one_release_are_verified_each_by_its_own_version(tmp_path: Path) -> None:
    stored = encode(drawing(1), "PNG")
    photo = encode(Image.effect_noise((320, 240), 60).convert("RGB").rotate(9), "JPEG", quality=95)
    turned = Image.open(io.BytesIO(photo)).transpose(Image.Transpose.ROTATE_90)
    served = (
        flattened(drawing(1)),  # re-encoded on white: the same picture, which version 1 could not know
        flattened(drawing(1)),
        encode(drawing(1), "WEBP", lossless=True, exact=True),  # other bytes with the same transparency
        encode(drawing(2), "WEBP", lossless=True, exact=True),  # another drawing
        encode(turned, "JPEG", quality=92, exif=with_orientation(6)),
        encode(turned, "JPEG", quality=92, exif=with_orientation(6)),
    )
    versions = (2, None, 1, 2, 1, 2)
    before = (stored, stored, photo, stored, photo, photo)
    rows = pl.DataFrame([expected(*one) for one in zip(range(6), before, versions, strict=True)])
    for number, data in enumerate(served):
        (tmp_path / str(number)).write_bytes(data)
    assert judge(rows, tmp_path) == [
        "same_picture", "changed", "changed", "changed", "same_picture", "same_picture",
    ]  # fmt: skip


def test_a_folder_is_searched_by_the_version_of_each_row(tmp_path: Path) -> None:
    originals = [encode(drawing(seed), "PNG") for seed in (1, 2)]
    photo = FILES["BMP"].data
    about = [(originals[0], 2), (originals[1], 2), (photo, None)]
    prints = [take_fingerprints(data, MAX_PIXELS, version or 1) for data, version in about]
    rows = manifest_rows(3).with_columns(
        phash=pl.Series([one.phash for one in prints]), thumbprint=pl.Series([one.thumbprint for one in prints]),
        fingerprint_version=pl.Series([version for _, version in about], dtype=pl.Int32),
    )  # fmt: skip
    release = check_release(make_release(rows, tmp_path / "releases", notes={}))
    folder = tmp_path / "flat"
    folder.mkdir()
    for number, data in enumerate(
        (flattened(drawing(1)), flattened(drawing(2)), encode(Image.fromarray(FILES["BMP"].shown), "PNG"))
    ):
        (folder / f"{number}.bin").write_bytes(data)
    rows = rows.select("candidate_id").join(release.manifest, on="candidate_id", maintain_order="left")
    found = collect_images(rows, folder, tmp_path / "images", MAX_PIXELS)
    assert found["status"].to_list() == ["ok", "ok", "ok"]
    assert found["image_sha256"].to_list() == [
        hashlib.sha256((folder / f"{number}.bin").read_bytes()).hexdigest() for number in range(3)
    ]

"""Every consumer sees the pixels it always saw: of odd files, digests that the code before this module gave.

`readings.tsv` was written by the functions of commit 57e12d1 that opened pictures, each for itself.
"""

import ast
import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relaionet.annotations.tasks import pictures as review
from relaionet.evaluators.features.images import FileImages
from relaionet.evaluators.generators.job import read_image
from relaionet.evaluators.protocols import Resize
from relaionet.pipeline.embeddings.embed import decode_picture
from relaionet.pipeline.images import picture
from relaionet.pipeline.images.decode import BrokenImage
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.picture import AS_STORED, FOR_ENCODER, OWN, Reading, TooLarge, open_picture, read_picture
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from relaionet.pipeline.screens.pixel_measures import measure_picture
from relaionet.pipeline.screens.registration import take_print
from tests.unit.pipeline.images.odd_files import encode, odd_files, smooth
from tests.unit.test_rooms import ROOMS, ROOT

MAX_PIXELS = 1_000_000
FILES = dict(odd_files())
with Path(__file__).with_name("readings.tsv").open(encoding="utf-8") as table:
    EXPECTED = {row.pop("file"): row for row in csv.DictReader(table, delimiter="\t")}
READINGS = {name: value for name, value in vars(picture).items() if isinstance(value, Reading)}
# a script for other environments, which knows nothing of ours
OTHERS = {"evaluators/features/rater_commands.py"}


def short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def digest(image: Image.Image) -> str:
    return short(f"{image.mode} {image.size}".encode() + image.tobytes())


class Seen:
    """An encoder that keeps what it is shown."""

    def preprocess(self, image: Image.Image) -> None:
        self.image = image


def encoded(data: bytes, side: int | None = None) -> str:
    seen = Seen()
    decode_picture(data, seen, MAX_PIXELS, hashes=side is None, reduced_side_px=side)
    return digest(seen.image)


def measured(data: bytes) -> str:
    found = measure_picture(open_picture(data, AS_STORED, MAX_PIXELS))
    shares = (found.contrast, found.palette_frac, found.flat_frac, found.saturation, found.clear_frac)
    return short(repr((found.phash_mirrored, found.print, *(round(share, 6) for share in shares))).encode())


def evaluated(data: bytes, folder: Path) -> str:
    (folder / "picture").write_bytes(data)
    return short(FileImages([folder / "picture"], 16, Resize()).read(0, 1)[0].tobytes())


CONSUMERS: dict[str, Callable[[bytes], str]] = {
    "FOR_ENCODER": encoded,
    "FOR_ENCODER, reduced": lambda data: encoded(data, 20),
    "phash": lambda data: phash_hex(open_picture(data, AS_STORED, MAX_PIXELS)),
    "thumbnail hash": lambda data: short(thumbprint_hex(open_picture(data, AS_STORED, MAX_PIXELS)).encode()),
    "print": lambda data: short(take_print(open_picture(data, AS_STORED, MAX_PIXELS))),
    "measures": measured,
    "FOR_REVIEW": lambda data: digest(read_picture(data, picture.FOR_REVIEW, reduced_side_px=review._LONGEST_PX)),
    "FOR_REVIEW, reduced": lambda data: digest(read_picture(data, picture.FOR_REVIEW, reduced_side_px=40)),
    "FOR_SAMPLES": lambda data: digest(Image.fromarray(read_image(data))),
}


def test_the_table_has_every_reading_and_every_file() -> None:
    assert set(EXPECTED) == set(FILES)
    columns = set(next(iter(EXPECTED.values())))
    # hashes shape what is opened as stored; AS_SHOWN came later, with the public face
    assert set(READINGS) - columns == {"FOR_PHASH", "FOR_THUMBNAIL_HASH", "AS_SHOWN"}
    assert set(CONSUMERS) < columns


@pytest.mark.parametrize("name", FILES)
def test_no_reading_shows_other_pixels_than_before(name: str, tmp_path: Path) -> None:
    data, expected = FILES[name], EXPECTED[name]
    found = {}
    for reading, value in READINGS.items():
        if reading in expected:
            limit = MAX_PIXELS if value.is_guarded else None
            found[reading] = digest(read_picture(data, value, max_pixels=limit))
            (tmp_path / "file").write_bytes(data)
            assert digest(read_picture(tmp_path / "file", value, max_pixels=limit)) == found[reading]
    assert found == {reading: expected[reading] for reading in found}


@pytest.mark.parametrize("name", FILES)
def test_no_consumer_sees_other_pixels_than_before(name: str, tmp_path: Path) -> None:
    data, expected = FILES[name], EXPECTED[name]
    found = {consumer: see(data) for consumer, see in CONSUMERS.items()}
    found["evaluation, 16 px"] = evaluated(data, tmp_path)
    assert found == {consumer: expected[consumer] for consumer in found}


def test_pictures_are_opened_in_one_module() -> None:
    found = set()
    for file in (file for room in (*ROOMS, "relaionet") for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            of_pillow = isinstance(node, ast.Attribute) and node.attr == "open" and isinstance(node.value, ast.Name)
            if of_pillow and node.value.id in ("Image", "Pillow", "PIL"):
                found.add(file.relative_to(ROOT).as_posix())
    assert found == {"pipeline/images/decode.py", *OTHERS}


def test_limits_are_those_of_the_reading() -> None:
    data = encode(Image.fromarray(smooth(3)), "PNG")
    with pytest.raises(BrokenImage, match="more than 1000 pixels"):
        read_picture(data, FOR_ENCODER, max_pixels=1000)
    with pytest.raises(ValueError, match="needs max_pixels"):
        read_picture(data, FOR_ENCODER)
    with pytest.raises(TooLarge, match="48 × 32 pixels"):
        read_picture(data, OWN, max_pixels=1000)
    with pytest.raises(TooLarge) as told:
        read_picture(data, Reading(is_guarded=False, scales_wide_grey=False, max_side_px=47))
    assert (told.value.width_px, told.value.height_px) == (48, 32)


def test_a_reading_without_a_guard_says_what_pillow_says(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"<html>")
    with pytest.raises(OSError, match=r"cannot identify image file.*page.html"):
        read_picture(tmp_path / "page.html", OWN)
    with pytest.raises(BrokenImage, match="an HTML page"):
        read_picture(tmp_path / "page.html", FOR_ENCODER, max_pixels=1)


def test_wide_grey_is_scaled_or_cut_off_as_the_reading_says() -> None:
    data = FILES["16 bit grey"]
    scaled = Reading(is_guarded=False, scales_wide_grey=True, mode="L")
    cut = Reading(is_guarded=True, scales_wide_grey=False, mode="L")
    assert np.array_equal(np.asarray(read_picture(data, scaled)), smooth(1)[:, :, 0])
    assert np.asarray(read_picture(data, cut, max_pixels=MAX_PIXELS)).mean() > 250

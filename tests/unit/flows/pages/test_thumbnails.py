"""Thumbnails: small, upright, within the folder, and none where a picture cannot be shown."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relaionet.flows.pages.thumbnails import MOSAIC_CELLS, PagePicture, Thumbnails, embed_file, show_stored
from relaionet.manifests.errors import BadInput


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(";base64,")[2])))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    values = np.random.default_rng(0).integers(0, 256, (300, 600, 3), dtype=np.uint8)
    Image.fromarray(values).save(images / "wide.png")
    lying = Image.new("RGB", (400, 200), "red")
    exif = lying.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    lying.save(images / "lying.jpg", exif=exif)
    (tmp_path / "outside.png").write_bytes((images / "wide.png").read_bytes())
    return images


def test_a_stored_picture_is_small_and_upright(folder: Path) -> None:
    assert opened(show_stored(folder, "wide.png", 180)).size == (180, 90)
    assert opened(show_stored(folder, "lying.jpg", 180)).size == (90, 180)
    assert str(show_stored(folder, "wide.png", 180)).startswith("data:image/jpeg;base64,")


def test_pictures_stay_in_the_folder_and_survive_anything(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n")
    for name in ("../outside.png", str(folder.parent / "outside.png"), "gone.png", "bad.png", None):
        assert show_stored(folder, name, 180) is None
    assert show_stored(None, "wide.png", 180) is None
    assert show_stored(folder, "wide.png", 180, max_pixels=300 * 600 - 1) is None


def test_a_mosaic_has_colours_and_no_content(folder: Path) -> None:
    mosaic = np.asarray(opened(show_stored(folder, "wide.png", 160, mosaic=True)).convert("L"), dtype=float)
    assert mosaic.shape == (80, 160)
    step = 80 // MOSAIC_CELLS
    cells = mosaic.reshape(MOSAIC_CELLS, step, 2 * MOSAIC_CELLS, step)
    assert cells.std(axis=(1, 3)).max() < 3  # JPEG's own noise
    assert cells.mean(axis=(1, 3)).std() < np.asarray(Image.open(folder / "wide.png").convert("L")).std() / 2


def test_a_file_is_read_once_however_often_it_is_shown(folder: Path) -> None:
    thumbnails, picture = Thumbnails(96), PagePicture(image=folder / "wide.png", alt="wide")
    first = thumbnails(picture)
    (folder / "wide.png").write_bytes(b"other")
    assert thumbnails(picture) == first
    with pytest.raises(BadInput, match="cannot show"):
        Thumbnails(96)(picture)


def test_our_own_drawings_are_kept_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_bytes(b"<svg/>")
    assert embed_file(tmp_path / "a.svg") == "data:image/svg+xml;base64,PHN2Zy8+"
    assert embed_file(tmp_path / "b.png") is None

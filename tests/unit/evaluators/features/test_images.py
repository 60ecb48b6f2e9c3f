from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relaionet.evaluators.features import images
from relaionet.evaluators.features.images import ArrayImages, FileImages, resize_image
from relaionet.evaluators.protocols import Resize
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.images.picture import read_picture


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_right_size_keeps_every_pixel() -> None:
    one = picture(32, 32)
    assert np.array_equal(np.asarray(resize_image(Image.fromarray(one), 32, Resize())), one)


def test_squash_and_crop_are_pillows() -> None:
    image = Image.fromarray(picture(80, 40))
    squashed = image.resize((16, 16), Image.Resampling.BICUBIC)
    cropped = image.crop((20, 0, 60, 40)).resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(resize_image(image, 16, Resize()), squashed)
    assert np.array_equal(resize_image(image, 16, Resize(fit="crop")), cropped)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_any_mode_becomes_rgb(mode: str) -> None:
    image = Image.fromarray(picture(20, 20)).convert(mode)
    assert np.asarray(resize_image(image, 8, Resize())).shape == (8, 8, 3)


def test_files_and_array_of_the_same_pictures_read_the_same(tmp_path: Path) -> None:
    arrays = np.stack([picture(24, 24, seed) for seed in range(3)])
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for array, path in zip(arrays, paths, strict=True):
        Image.fromarray(array).save(path)
    from_files, from_array = FileImages(paths, 16, Resize()), ArrayImages(arrays, 16, Resize())
    assert np.array_equal(from_files.read(0, 3), from_array.read(0, 3))
    assert np.array_equal(from_files.read(1, 2), from_array.read(0, 3)[1:2])
    assert from_array.read(3, 3).shape == (0, 16, 16, 3)


def test_digest_follows_content_order_and_resize() -> None:
    arrays = np.stack([picture(24, 24, seed) for seed in range(3)])
    digests = {
        ArrayImages(arrays, 16, Resize()).digest,
        ArrayImages(arrays[::-1], 16, Resize()).digest,
        ArrayImages(arrays, 32, Resize()).digest,
        ArrayImages(arrays, 16, Resize(filter="box")).digest,
    }
    assert len(digests) == 4
    assert ArrayImages(arrays.copy(), 16, Resize()).digest == ArrayImages(arrays, 16, Resize()).digest


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "a.jpg"
    bad.write_bytes(b"<html>")
    with pytest.raises(BadInput, match="cannot be decoded"):
        FileImages([bad], 16, Resize()).read(0, 1)
    with pytest.raises(BadInput, match="does not exist"):
        FileImages([tmp_path / "b.jpg"], 16, Resize())
    with pytest.raises(BadInput, match="uint8"):
        ArrayImages(np.zeros((2, 4, 4, 3), np.float32), 16, Resize())


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(images.READERS, "as shown", partial(read_picture, max_pixels=100))
    path = tmp_path / "a.png"
    Image.fromarray(picture(20, 20)).save(path)
    with pytest.raises(BadInput, match="more than 100 pixels"):
        FileImages([path], 16, Resize()).read(0, 1)


def test_the_float_form_resizes_each_channel_alone_and_rounds_nothing() -> None:
    """clean-fid's: Pillow's bicubic on mode F, clipped to 0..255."""
    smooth = np.asarray(Image.fromarray(picture(12, 12)).resize((60, 40), Image.Resampling.BILINEAR))
    found = resize_image(Image.fromarray(smooth), 20, Resize(is_float=True))
    channels = [
        np.asarray(Image.fromarray(smooth[..., place].astype(np.float32)).resize((20, 20), Image.Resampling.BICUBIC))
        for place in range(3)
    ]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.clip(np.stack(channels, axis=-1), 0, 255))
    rounded = resize_image(Image.fromarray(smooth), 20, Resize()).astype(float)
    assert 0 < np.abs(found - rounded).max() < 1.01
    same = resize_image(Image.fromarray(picture(20, 20)), 20, Resize(is_float=True))
    np.testing.assert_array_equal(same, picture(20, 20))


def test_bicubic_keeps_a_straight_ramp_straight() -> None:
    """A closed form: a linear ramp, resized with antialiasing, is the ramp at the new pixel centres off the edges."""
    ramp = np.repeat(np.arange(240, dtype=np.uint8)[None, :, None], 120, axis=0).repeat(3, axis=2)
    found = resize_image(Image.fromarray(ramp), 60, Resize(is_float=True))[30, :, 0]
    centres = (np.arange(60) + 0.5) * 4 - 0.5
    np.testing.assert_allclose(found[3:-3], centres[3:-3], atol=1e-3)


def test_adms_crop_halves_by_boxes_then_cuts_the_middle() -> None:
    image = Image.fromarray(picture(200, 90))
    halved = image.resize((100, 45), Image.Resampling.BOX)  # 90 >= 2 * 40
    sized = halved.resize((round(100 * 40 / 45), 40), Image.Resampling.BICUBIC)
    left = (sized.width - 40) // 2
    expected = np.asarray(sized)[:, left : left + 40]
    np.testing.assert_array_equal(resize_image(image, 40, Resize(fit="adm")), expected)
    grown = resize_image(Image.fromarray(picture(20, 30)), 40, Resize(fit="adm"))
    assert grown.shape == (40, 40, 3)


def test_float_images_come_out_of_both_sources_alike(tmp_path: Path) -> None:
    arrays = np.stack([picture(24, 24, seed) for seed in range(2)])
    paths = [tmp_path / f"{index}.png" for index in range(2)]
    for array, path in zip(arrays, paths, strict=True):
        Image.fromarray(array).save(path)
    for size in (16, 24):
        resize = Resize(fit="crop", is_float=True)
        one, two = FileImages(paths, size, resize).read(0, 2), ArrayImages(arrays, size, resize).read(0, 2)
        assert one.dtype == two.dtype == np.float32
        np.testing.assert_array_equal(one, two)

import io
import os

import pytest
from PIL import Image, ImageCms

from relaionet.annotations.tasks.pictures import STRIP_PX, make_strip, reference_pictures, stage_image
from relaionet.manifests.errors import BadInput

ONE = "ab" * 32


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "a.jpg")
    Image.new("RGB", (8, 8), "red").save(folder / "b.tiff")
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(folder / "c.webp")
    (folder / "d.svg").write_text("<svg><script>alert(1)</script></svg>")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return folder


def test_a_picture_keeps_its_looks_and_nothing_else(photos, tmp_path):
    target = stage_image(photos, "a.jpg", ONE, tmp_path / "out")
    assert target.name == ONE + ".jpg"
    assert stage_image(photos, "a.jpg", ONE, tmp_path / "out") == target
    with Image.open(target) as seen:
        assert seen.size == (8, 8)
        assert max(abs(a - b) for a, b in zip(seen.getpixel((3, 3)), (255, 0, 0), strict=True)) <= 4


def test_transparent_is_white_and_a_huge_one_is_made_smaller(photos, tmp_path):
    with Image.open(stage_image(photos, "c.webp", ONE, tmp_path / "out")) as seen:
        assert min(seen.getpixel((0, 0))) > 245
    Image.new("L", (3000, 30), 90).save(photos / "long.png")
    with Image.open(stage_image(photos, "long.png", "cd" * 32, tmp_path / "out")) as seen:
        assert (seen.size, seen.mode) == ((2048, 20), "RGB")


def test_files_of_all_kinds_look_alike(photos, tmp_path):
    """Nothing but what a picture shows tells where it came from: no format, marker, metadata, date or comment."""
    picture = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    exif = Image.Exif()
    exif[0x010F] = "Maker of cameras"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(photos / "1.jpg", exif=exif, icc_profile=profile, comment=b"a control", quality=60, progressive=True)
    picture.save(photos / "2.png", pnginfo=None)
    picture.convert("P").save(photos / "3.gif")
    picture.save(photos / "4.webp", lossless=True)
    picture.save(photos / "5.tiff")
    os.utime(photos / "1.jpg", (5, 5))
    seen = [stage_image(photos, f"{i}.{kind}", f"{i}" * 64, tmp_path / "out") for i, kind in enumerate(
        ("jpg", "png", "gif", "webp", "tiff"), start=1)]  # fmt: skip
    told = set()
    for path in seen:
        data = path.read_bytes()
        assert b"Maker" not in data
        assert b"control" not in data
        with Image.open(path) as image:
            told.add((path.suffix, path.stat().st_mtime_ns, path.stat().st_mode, image.format, image.mode,
                      str(sorted(image.info)), str(image.quantization), str(image.layer)))  # fmt: skip
    assert len(told) == 1


def test_where_a_picture_was_taken_never_reaches_a_reviewer(photos, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
    exif[0x0112] = 6
    picture = Image.linear_gradient("L").resize((16, 8)).convert("RGB")
    picture.save(photos / "gps.jpg", exif=exif)
    data = (photos / "gps.jpg").read_bytes()
    with Image.open(stage_image(photos, "gps.jpg", ONE, tmp_path / "out")) as seen:
        assert not seen.getexif()
        assert seen.size == (8, 16), "it is shown upright"
    assert (photos / "gps.jpg").read_bytes() == data  # the original stays as it was served


def test_a_strip_shows_the_first_known_pictures_of_a_class(photos, tmp_path):
    folder = tmp_path / "known" / "n01440764"
    folder.mkdir(parents=True)
    for name, colour in zip("dabc", ("black", "red", "lime", "blue"), strict=True):
        Image.new("RGB", (50, 90), colour).save(folder / f"{name}.png")
    found = reference_pictures(tmp_path / "known", "n01440764")
    assert [path.stem for path in found] == ["a", "b", "c"]
    assert reference_pictures(tmp_path / "known", "n00000000") == []
    with Image.open(io.BytesIO(make_strip(found))) as strip:
        assert strip.size == STRIP_PX
        colours = [max(range(3), key=strip.getpixel((x, 60)).__getitem__) for x in (60, 186, 310)]
    assert colours == [0, 1, 2]


@pytest.mark.parametrize("path", ["none.jpg", "../secret.jpg", "d.svg", "."])
def test_what_cannot_be_shown_is_refused_and_leaves_nothing(photos, tmp_path, path):
    with pytest.raises(BadInput):
        stage_image(photos, path, ONE, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_an_absolute_path_and_a_link_outside_are_refused(photos, tmp_path):
    (photos / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    for path in (str(tmp_path / "secret.jpg"), "link.jpg"):
        with pytest.raises(BadInput, match="fetch the images first"):
            stage_image(photos, path, ONE, tmp_path / "out")


@pytest.mark.parametrize("bad", ["../x", "AB" * 32, "ab" * 31, ONE + "\n"])
def test_an_id_is_never_a_path(photos, tmp_path, bad):
    with pytest.raises(BadInput, match="64 hexadecimal"):
        stage_image(photos, "a.jpg", bad, tmp_path / "out")

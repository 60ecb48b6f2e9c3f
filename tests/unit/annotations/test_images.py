import pytest
from PIL import Image

from relaionet.annotations.images import stage_image
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


def test_bytes_are_kept_under_a_name_that_tells_nothing(photos, tmp_path):
    target = stage_image(photos, "a.jpg", ONE, tmp_path / "out")
    assert target.name == ONE + ".jpg"
    assert target.read_bytes() == (photos / "a.jpg").read_bytes()
    before = target.stat().st_mtime_ns
    assert stage_image(photos, "a.jpg", ONE, tmp_path / "out") == target
    assert target.stat().st_mtime_ns == before
    assert stage_image(photos, "c.webp", ONE, tmp_path / "out").suffix == ".webp"


def test_a_format_browsers_do_not_show_becomes_png(photos, tmp_path):
    target = stage_image(photos, "b.tiff", ONE, tmp_path / "out")
    assert target.suffix == ".png"
    assert Image.open(target).getpixel((0, 0)) == (255, 0, 0)


def test_where_a_picture_was_taken_never_reaches_a_reviewer(photos, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
    exif[0x0112] = 6
    picture = Image.linear_gradient("L").resize((16, 8)).convert("RGB")
    picture.save(photos / "gps.jpg", exif=exif)
    picture.save(photos / "gps.png", exif=exif)
    for number, name in enumerate(["gps.jpg", "gps.png"]):
        target = stage_image(photos, name, f"{number}" * 64, tmp_path / "out")
        assert target.suffix == name[3:]
        with Image.open(photos / name) as before, Image.open(target) as after:
            assert before.getexif().get_ifd(0x8825)
            assert not after.getexif().get_ifd(0x8825)
            assert after.getexif()[0x0112] == 6
            assert before.tobytes() == after.tobytes()
    data = (photos / "gps.jpg").read_bytes()
    (photos / "odd.webp").write_bytes(b"P6 16 8 255\n" + bytes(16 * 8 * 3))  # a format that is not cleaned
    target = stage_image(photos, "odd.webp", ONE, tmp_path / "out")
    assert target.suffix == ".png"
    assert stage_image(photos, "odd.webp", ONE, tmp_path / "out") == target
    assert (photos / "gps.jpg").read_bytes() == data  # the original stays as it was served


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

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

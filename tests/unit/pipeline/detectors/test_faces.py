"""Faces by OpenCV's cascade: a drawn face is found, in any thread alike, and what is told reviewers counts them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from PIL import Image, ImageDraw, ImageFilter

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.detectors.config import FacesConfig
from relaionet.pipeline.detectors.faces import find_faces, tell_faces

LOOKING = FacesConfig(find=True)


def draw_face(image: Image.Image, left: int, top: int, side: int) -> None:
    """A face as the cascade knows them: bright skin, dark eyes, brows and mouth, a bright nose between."""
    draw = ImageDraw.Draw(image)

    def box(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        return (left + x0 * side, top + y0 * side, left + x1 * side, top + y1 * side)

    draw.ellipse(box(0.1, 0.0, 0.9, 1.0), fill=(205, 170, 150))
    draw.pieslice(box(0.08, -0.08, 0.92, 0.6), 180, 360, fill=(60, 45, 40))
    draw.ellipse(box(0.14, 0.14, 0.86, 0.95), fill=(205, 170, 150))
    for centre in (0.33, 0.67):
        draw.rectangle(box(centre - 0.12, 0.33, centre + 0.12, 0.37), fill=(70, 50, 45))
        draw.ellipse(box(centre - 0.11, 0.39, centre + 0.11, 0.48), fill=(95, 70, 65))
        draw.ellipse(box(centre - 0.04, 0.395, centre + 0.04, 0.475), fill=(25, 20, 20))
    draw.polygon([*box(0.5, 0.42, 0.57, 0.66), *box(0.43, 0.66, 0.5, 0.42)[:2]], fill=(225, 190, 170))
    draw.rectangle(box(0.42, 0.66, 0.58, 0.69), fill=(140, 100, 90))
    draw.ellipse(box(0.34, 0.75, 0.66, 0.83), fill=(130, 60, 60))


def scene(*places: tuple[int, int, int], size: tuple[int, int] = (320, 240)) -> Image.Image:
    image = Image.new("RGB", size, (120, 150, 130))
    for place in places:
        draw_face(image, *place)
    return image.filter(ImageFilter.GaussianBlur(1.5))


def test_faces_are_counted_and_the_largest_is_measured() -> None:
    find = find_faces(LOOKING)
    assert find(scene()) == {"faces_count": 0, "faces_frac": None}
    one = find(scene((100, 50, 130)))
    assert one["faces_count"] == 1
    assert 0.1 < one["faces_frac"] < 0.4
    two = find(scene((20, 60, 120), (180, 60, 120)))
    assert two["faces_count"] == 2


def test_a_picture_of_any_size_or_mode_is_looked_at() -> None:
    find = find_faces(LOOKING)
    assert find(Image.new("RGB", (1, 1)))["faces_count"] == 0
    assert find(Image.new("RGB", (4000, 3)))["faces_count"] == 0
    large = scene((100, 50, 130)).resize((1600, 1200))
    assert find(large) == pytest.approx(find(scene((100, 50, 130))), abs=0.1)
    assert find(scene((100, 50, 130)).convert("L"))["faces_count"] == 1


def test_every_thread_finds_the_same() -> None:
    find = find_faces(LOOKING)
    pictures = [scene((10 * n, 40, 110)) for n in range(12)]
    alone = [find(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(find, pictures)) == alone


def test_what_reviewers_are_told() -> None:
    rows = pl.DataFrame({"faces_count": [None, 0, 1, 3]}, schema={"faces_count": pl.Int32})
    assert rows.select(told=tell_faces())["told"].to_list() == [None, None, "1 face", "3 faces"]


@pytest.mark.parametrize(
    "told", [{"side_px": 8}, {"min_face_px": 500}, {"scale_step": 1.0}, {"min_hits": 0}, {"screen_out": True}]
)
def test_settings_that_cannot_be_are_refused(told: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"screen\.faces"):
        FacesConfig(**told)  # type: ignore[arg-type]

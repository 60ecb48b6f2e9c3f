"""Prints laid over each other: known windows are found, order does not matter, other pictures do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from relaionet.pipeline.screens.registration import match_prints, take_print
from relaionet.pipeline.screens.same_pictures import SamePictureConfig
from tests.depth import deep

SAME = SamePictureConfig()


def scene(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    layers = [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((256, 256), 3)
              for side in (5, 11, 23)]  # fmt: skip
    return Image.blend(Image.blend(layers[0], layers[1], 0.4), layers[2], 0.25)


def prints(*images: Image.Image) -> np.ndarray:
    return np.stack([np.frombuffer(take_print(image), dtype=np.uint8) for image in images])


def is_same(one: Image.Image, two: Image.Image) -> bool:
    found = match_prints(prints(one), prints(two))
    return bool(found.correlation[0] >= SAME.min_correlation and found.detail[0] >= SAME.min_detail)


@settings(max_examples=deep(25), deadline=None)
@given(
    seed=st.integers(0, 10**6), width=st.floats(0.8, 1), height=st.floats(0.8, 1), left=st.floats(0, 1),
    top=st.floats(0, 1), mirrored=st.booleans(), swapped=st.booleans(),
)  # fmt: skip
def test_a_window_of_a_picture_is_found_whole_or_mirrored(
    seed: int, width: float, height: float, left: float, top: float, mirrored: bool, swapped: bool
) -> None:
    whole = scene(seed)
    box = (256 * left * (1 - width), 256 * top * (1 - height))
    part = whole.resize((256, 256), box=(*box, box[0] + 256 * width, box[1] + 256 * height))
    part = ImageOps.mirror(part) if mirrored else part
    pair = (part, whole) if swapped else (whole, part)
    found = match_prints(prints(pair[0]), prints(pair[1]))
    assert found.correlation[0] >= SAME.min_correlation
    assert found.detail[0] >= SAME.min_detail
    assert bool(found.is_mirrored[0]) == mirrored
    assert found.shared_frac[0] == pytest.approx(width * height, abs=0.06)


@settings(max_examples=deep(25), deadline=None)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=2, max_size=2, unique=True))
def test_other_pictures_do_not_fit_and_the_order_of_a_pair_does_not_matter(seeds: list[int]) -> None:
    one, two = (scene(seed) for seed in seeds)
    assert not is_same(one, two)
    forth = match_prints(prints(one), prints(two), min_coarse=-1)
    back = match_prints(prints(two), prints(one), min_coarse=-1)
    for name in ("correlation", "detail", "shared_frac", "is_mirrored"):
        assert np.array_equal(getattr(forth, name), getattr(back, name), equal_nan=True)


def test_a_caption_a_frame_and_other_brightness_do_not_hide_it() -> None:
    whole = scene(3)
    captioned = whole.copy()
    ImageDraw.Draw(captioned).rectangle((0, 232, 256, 256), fill=(255, 255, 255))
    assert is_same(whole, captioned)
    assert is_same(whole, ImageOps.expand(whole, 22, (255, 255, 255)))
    assert is_same(whole, whole.point(lambda value: 40 + value * 0.7))
    assert is_same(whole, whole.convert("L"))


def test_what_fits_all_the_same_is_one_and_nothing_to_compare_is_nothing() -> None:
    found = match_prints(prints(scene(1)), prints(scene(1)))
    assert (found.correlation[0], found.detail[0], found.shared_frac[0]) == pytest.approx((1, 1, 1), abs=1e-5)
    assert len(match_prints(np.zeros((0, 1024), np.uint8), np.zeros((0, 1024), np.uint8)).correlation) == 0
    flat = prints(Image.new("RGB", (64, 64), (90, 90, 90)))
    assert not match_prints(flat, flat).correlation[0] >= SAME.min_correlation, "a flat picture says nothing"

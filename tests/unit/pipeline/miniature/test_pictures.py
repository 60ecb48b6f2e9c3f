"""The drawings: decided by class and seed, the same picture at every size, all classes known to ImageNet."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import find_label
from relaionet.pipeline.miniature.drawings.pictures import (
    CLASSES,
    draw_array,
    draw_clutter,
    draw_pair,
    draw_picture,
    draw_word,
)
from tests.depth import deep


def distance(one: Image.Image, two: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(two, dtype=float)).mean())


def test_twenty_classes_with_both_cranes() -> None:
    assert len(set(CLASSES)) == 20
    assert list(CLASSES) == sorted(CLASSES)
    assert {"n02012849", "n03126707"} <= set(CLASSES)
    assert [find_label(wnid).class_index for wnid in CLASSES] == sorted(find_label(w).class_index for w in CLASSES)


@pytest.mark.parametrize("wnid", CLASSES)
def test_same_seed_same_picture_other_seed_another(wnid: str) -> None:
    again = draw_array(wnid, 3, 32)
    assert again.shape == (32, 32, 3)
    assert again.dtype == np.uint8
    assert np.array_equal(again, draw_array(wnid, 3, 32))
    assert not np.array_equal(again, draw_array(wnid, 4, 32))


def test_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib; from relaionet.pipeline.miniature.world import draw_picture;"
        "print(hashlib.sha256(draw_picture('n07753592', 5, 48).tobytes()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": str(seed)}
        ).stdout
        for seed in (1, 2)
    }
    assert len(seen) == 1


@settings(max_examples=deep(25), deadline=None)
@given(wnid=st.sampled_from(CLASSES), seed=st.integers(0, 2**62))
def test_size_changes_the_resolution_only(wnid: str, seed: int) -> None:
    small = draw_picture(wnid, seed, 32)
    large = draw_picture(wnid, seed, 128).resize((32, 32), Image.Resampling.BOX)
    other = draw_picture(wnid, seed + 1, 32)
    assert small.size == (32, 32)
    assert distance(small, large) < 9
    assert distance(small, large) < distance(small, other)


def test_pictures_of_no_class_words_and_pairs_are_decided_by_their_seed() -> None:
    for draw in (draw_clutter, lambda s: draw_word("lemon", s), lambda s: draw_pair((CLASSES[0], CLASSES[5]), s)):
        assert distance(draw(1), draw(1)) == 0
        assert distance(draw(1), draw(2)) > 1


def test_unknown_class_and_size_are_refused() -> None:
    with pytest.raises(BadInput, match="n07753592"):
        draw_picture("n07753593", 0)
    with pytest.raises(BadInput, match="8 to 2048"):
        draw_picture(CLASSES[0], 0, 4)

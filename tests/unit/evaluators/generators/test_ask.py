"""What a generator hands over: copied, checked, and no memory counted as two images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaionet.evaluators.generators.ask import (
    NFE_LIMIT,
    ask_generator,
    ask_whole,
    check_image,
    check_requests,
    describe_generator,
    find_shared,
    is_count,
    prepare_generator,
)
from relaionet.evaluators.generators.check import check_generator
from relaionet.evaluators.generators.factories import call_factory
from relaionet.evaluators.generators.protocol import Foreseen, Generated, GeneratorDied, Info, Request, Settings
from relaionet.manifests.errors import BadInput
from tests.depth import deep

INFO = Info(name="m", native_size_px=4, licence="MIT", weights="x")
REQUESTS = [
    Request(sample_id=str(seed), class_index=0, wnid="n01440764", class_name="tench", prompt="", seed=seed)
    for seed in range(6)
]


def draw(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)


class Model:
    """Gives what it is told to."""

    info = INFO

    def __init__(self, images: Any = None, nfe: Any = None) -> None:
        self.images, self.counts = images, nfe

    def generate(self, batch: Sequence[Request], settings: Settings) -> Generated:
        images = np.stack([draw(one.seed) for one in batch]) if self.images is None else self.images(batch)
        return Generated(images=images, nfe=[1] * len(batch) if self.counts is None else self.counts)


def test_an_image_is_copied_when_it_is_handed_over() -> None:
    array = np.stack([draw(seed) for seed in range(2)])
    taken = ask_whole(Model(lambda batch: array), REQUESTS[:2], Settings())
    array[:] = 0
    for seed, sample in enumerate(taken):
        assert sample.image is not None
        assert np.array_equal(sample.image, draw(seed))
        assert sample.image.base is None
        assert sample.image.flags.c_contiguous


def views() -> dict[str, list[np.ndarray]]:
    """Ways of giving two images in one memory."""
    one, long = draw(0), np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    whole = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), np.uint8)
    return {
        "one object": [draw(1), one, one],
        "two names": [one, one[:]],
        "broadcast": list(np.broadcast_to(one, (3, 4, 4, 3))),
        "a window that slides": [long[:4], draw(1), long[1:]],
        "a view among views": [whole[0], whole[1], whole[0]],
        "turned round": [one, draw(2), one[::-1]],
    }


@pytest.mark.parametrize("kind", list(views()))
def test_one_memory_is_not_two_images(kind: str) -> None:
    images = views()[kind]
    assert find_shared(images) is not None
    # all at once it is refused; one by one each image is what it is
    model = Model(lambda batch: images[: len(batch)])
    with pytest.raises(ValueError, match="are the same memory"):
        ask_whole(model, REQUESTS[: len(images)], Settings())
    assert [one.reason for one in ask_generator(model, REQUESTS[: len(images)], Settings())] == [None] * len(images)


@given(st.sampled_from([(0, 1, 2, 3), (0, 2, 1, 3), (1, 2, 3, 0), (3, 0, 1, 2)]), st.integers(1, 7))
@settings(max_examples=deep(20), deadline=None)
def test_images_that_only_lie_beside_each_other_are_many(order: tuple[int, ...], count: int) -> None:
    """Whatever axis of an array the images are along, they interleave in memory and share none of it."""
    shape = np.array([count, 4, 4, 3])[list(order)]
    whole = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    turned = whole.transpose(np.argsort(order))  # [N, H, W, 3]
    assert turned.shape == (count, 4, 4, 3)
    assert find_shared(list(turned)) is None
    assert find_shared(list(turned[::-1])) is None


@pytest.mark.parametrize("value", [0, 1, NFE_LIMIT, 4.0, np.int64(3), np.float32(2), np.array(5), np.uint8(1)])
def test_whole_numbers_of_calls_are_counts(value: Any) -> None:
    assert is_count(value)
    sample = check_image(draw(0), value, INFO)
    assert (sample.reason, sample.nfe) == (None, int(value))
    assert type(sample.nfe) is int


@pytest.mark.parametrize(
    "value",
    [
        -1,
        2.5,
        float("nan"),
        float("inf"),
        -float("inf"),
        True,
        np.True_,
        "4",
        NFE_LIMIT + 1,
        10**400,
        1j,
        [1],
        object(),
    ],
)
def test_anything_else_is_none(value: Any) -> None:
    sample = check_image(draw(0), value, INFO)
    assert sample.image is None
    assert sample.reason is not None
    assert sample.reason.startswith("its count of forward calls is")
    assert check_image(draw(0), None, INFO).reason is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (draw(0).astype(np.int16), "the image is int16"),
        (draw(0).astype(bool), "the image is bool"),
        (draw(0)[:, :, :1], r"shape \[4, 4, 1\]"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        ("a picture", "expected uint8"),
        (None, "expected uint8"),
        ([[1, 2], [3]], "no array"),
    ],
)
def test_what_is_no_image_says_so(image: Any, reason: str) -> None:
    import re

    sample = check_image(image, 1, INFO)
    assert sample.image is None
    assert re.search(reason, sample.reason or "")


def test_the_lists_a_generator_is_given_are_its_own() -> None:
    class Greedy(Model):
        def prepare(self, requests: list[Request]) -> None:
            requests.clear()

        def generate(self, batch: Any, settings: Settings) -> Generated:
            made = super().generate(batch, settings)
            batch.pop()
            return made

        def foresee(self, requests: list[Request]) -> Foreseen:
            requests.reverse()
            return Foreseen(missing={"5": "gone", "no request": "of anybody"}, unused=2)

    requests, greedy = list(REQUESTS), Greedy()
    prepare_generator(greedy, requests)
    taken = ask_generator(greedy, requests, Settings())
    assert check_requests(greedy, requests) == Foreseen(missing={"5": "gone"}, unused=2)
    assert requests == REQUESTS
    assert all(np.array_equal(one.image, draw(seed)) for seed, one in enumerate(taken) if one.image is not None)
    assert len(taken) == len(REQUESTS)


def test_what_else_a_generator_says_is_foreign_too() -> None:
    class Wild(Model):
        def prepare(self, requests: Any) -> None:
            raise KeyError("x")

        def describe(self, settings: Settings) -> Any:
            raise RuntimeError("no")

    with pytest.raises(GeneratorDied, match="its `prepare` fails: KeyError"):
        prepare_generator(Wild(), REQUESTS)
    assert describe_generator(Wild(), Settings()) == {"describe": "fails: RuntimeError: no"}
    for told in (None, {"missing": {}}, Foreseen(unused=-1), Foreseen(missing=["a"])):  # type: ignore[arg-type]
        wrong = Model()
        wrong.foresee = lambda requests, told=told: told  # type: ignore[attr-defined]
        with pytest.raises(BadInput, match="`foresee` returned"):
            check_requests(wrong, REQUESTS)
    wrong.foresee = lambda requests: 1 / 0  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="'m': its `foresee` fails: ZeroDivisionError"):
        check_requests(wrong, REQUESTS)
    nothing = Model()
    nothing.foresee = lambda requests: Foreseen(missing={one.sample_id: "lost" for one in requests})  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="no image for any of 6 requests; of the first: lost"):
        check_requests(nothing, REQUESTS)
    odd = Model()
    odd.describe = lambda settings: {"a": np.arange(2), 3: {1, 2}, "b": float("1")}  # type: ignore[attr-defined]
    assert json.loads(json.dumps(describe_generator(odd, Settings())))["a"] == "[0 1]"


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"name": ""}, "name is ''"),
        ({"name": 3}, "name is 3"),
        ({"native_size_px": 0}, "native_size_px is 0"),
        ({"native_size_px": 8.0}, "native_size_px is 8.0"),
        ({"native_size_px": True}, "native_size_px is True"),
        ({"native_size_px": 10**9}, "expected 1 to 4096"),
        ({"guidance": "two-pass"}, "Did you mean 'two_pass'"),
        ({"guidance_range": (1,)}, "must be two numbers"),
        ({"guidance_range": (float("nan"), 2)}, "must be two numbers"),
        ({"natural_guidance": "7"}, "natural_guidance one"),
        ({"steps": ()}, "expected numbers of steps"),
        ({"steps": (1, 2.5)}, "expected numbers of steps"),
        ({"steps": 4}, "expected numbers of steps"),
        ({"class_indices": (0, 1000)}, "expected class indices"),
        ({"class_indices": ("n01440764",)}, "expected class indices"),
        ({"weights": None}, "weights is None"),
    ],
)
def test_what_no_generator_can_be_is_refused_when_it_is_made(about: dict[str, Any], message: str) -> None:
    class Made(Model):
        def __init__(self) -> None:
            super().__init__()
            self.info = Info(**{"name": "m", "native_size_px": 4, **about})

    with pytest.raises(BadInput, match=message):
        call_factory(Made, "here", {}, {})


def test_check_calls_one_memory_for_a_batch_a_problem() -> None:
    def give_one(batch: Sequence[Request]) -> list[np.ndarray]:
        array = np.zeros((4, 4, 3), np.uint8)
        for one in batch:
            array[:] = draw(one.seed % 2**32)
        return [array] * len(batch)

    trial = check_generator(Model(give_one))
    assert not trial.is_sound
    assert {one.about for one in trial.findings if one.verdict == "problem"} == {"batch"}
    assert check_generator(Model(lambda batch: np.stack([draw(one.seed % 2**32) for one in batch]))).is_sound

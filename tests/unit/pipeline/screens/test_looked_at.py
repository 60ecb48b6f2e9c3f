"""What looks at the pictures themselves: a classifier rules out, faces are a hint, and neither is asked unasked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import COMPARED, MEASURED, SCREENED
from relaionet.pipeline.detectors.config import ClassifierConfig, FacesConfig
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.screens.config import ScreenConfig, UnsafeConfig
from relaionet.pipeline.screens.pixel_measures import measure_pictures
from relaionet.pipeline.screens.plan import (
    check_screens,
    compared_table,
    further_digests,
    measured_table,
    place_screens,
    screens_asked,
    tell_remarks,
)
from relaionet.pipeline.screens.screen import screen_images
from relaionet.pipeline.screens.screens import NOTHING_LOOKED
from tests.unit.pipeline.detectors import onnx_models
from tests.unit.pipeline.detectors.test_faces import scene

QUIET = ScreenConfig(device="cpu", threads=2, max_aspect=50, min_contrast=0, placeholder_wnids=0)


@pytest.fixture
def model(tmp_path: Path) -> ClassifierConfig:
    file, sha256 = onnx_models.write(tmp_path / "m.onnx", onnx_models.mean_colour([[1.0], [0.0], [0.0]]))
    return ClassifierConfig(file=file, sha256=sha256, input_px=4, unsafe=(0,))


@pytest.fixture
def rows(tmp_path: Path) -> pl.DataFrame:
    pictures = {
        "red": Image.new("RGB", (320, 240), (230, 10, 10)), "blue": Image.new("RGB", (320, 240), (10, 10, 230)),
        "faces": scene((20, 60, 120), (180, 60, 120)),
    }  # fmt: skip
    for name, image in pictures.items():
        image.save(tmp_path / f"{name}.png")
    return pl.DataFrame(
        [
            {"candidate_id": name, "path": f"{name}.png", "phash": phash_hex(image), "width_px": 320, "height_px": 240}
            for name, image in pictures.items()
        ]
    )


def statuses(rows: pl.DataFrame, tmp_path: Path, config: ScreenConfig) -> dict[str, str]:
    return dict(screen_images(rows, None, tmp_path, config).select("candidate_id", "status").iter_rows())


def test_a_classifier_of_pictures_rules_out_what_it_says(
    rows: pl.DataFrame, model: ClassifierConfig, tmp_path: Path
) -> None:
    config = replace(QUIET, unsafe=UnsafeConfig(classifier=model, max_picture_score=0.7))
    check_screens(config)
    found = screen_images(rows, None, tmp_path, config)
    assert dict(found.select("candidate_id", "status").iter_rows())["red"] == "unsafe"
    scores = dict(found.select("candidate_id", "unsafe_picture_score").iter_rows())
    assert scores["red"] == pytest.approx(230 / 255, abs=1e-5)
    assert scores["blue"] == pytest.approx(10 / 255, abs=1e-5)
    laxer = replace(config, unsafe=replace(config.unsafe, max_picture_score=0.95))
    assert statuses(rows, tmp_path, laxer)["red"] != "unsafe"


def test_faces_are_a_hint_and_a_status_only_where_asked(rows: pl.DataFrame, tmp_path: Path) -> None:
    config = replace(QUIET, faces=FacesConfig(find=True))
    found = screen_images(rows, None, tmp_path, config)
    assert dict(found.select("candidate_id", "faces_count").iter_rows()) == {"red": 0, "blue": 0, "faces": 2}
    assert dict(found.select("candidate_id", "shows_faces").iter_rows())["faces"] is True
    assert statuses(rows, tmp_path, config)["faces"] == "ok"
    told = dict(tell_remarks(found, config).iter_rows())
    assert told == {"red": None, "blue": None, "faces": "2 faces"}
    strict = replace(QUIET, faces=FacesConfig(find=True, screen_out=True))
    assert statuses(rows, tmp_path, strict)["faces"] == "faces"


def test_what_nobody_looked_for_is_null_and_said(rows: pl.DataFrame, tmp_path: Path) -> None:
    found = screen_images(rows, None, tmp_path, QUIET)
    for name in ("unsafe_picture_score", "faces_count", "faces_frac", "shows_faces"):
        assert found[name].null_count() == 3, name
    assert tell_remarks(found, QUIET)["remark"].null_count() == 3
    asked = screens_asked(QUIET)
    assert NOTHING_LOOKED in asked["unsafe"]
    assert asked["faces"].startswith("not run")


def test_something_looked_is_said_by_name(model: ClassifierConfig) -> None:
    asked = screens_asked(replace(QUIET, unsafe=UnsafeConfig(classifier=model)))["unsafe"]
    assert "m.onnx" in asked
    assert NOTHING_LOOKED not in asked
    packaged = screens_asked(replace(QUIET, unsafe=UnsafeConfig(classifier=ClassifierConfig(package="opennsfw"))))
    assert packaged["unsafe"].endswith("classifier of pictures opennsfw")


def test_only_what_measures_counts_in_the_digest_of_measuring(model: ClassifierConfig, tmp_path: Path) -> None:
    def digests(config: ScreenConfig) -> list[object]:
        return list(further_digests(config, measuring=True))

    on = replace(QUIET, unsafe=UnsafeConfig(classifier=model), faces=FacesConfig(find=True))
    assert digests(QUIET) == []
    assert [one[0] for one in further_digests(on, measuring=True)] == ["unsafe", "faces"]
    assert further_digests(on) == []  # what decides stands in the settings
    moved = replace(on, unsafe=UnsafeConfig(classifier=replace(model, file=tmp_path / "else.onnx"), max_punsafe=0.1))
    assert digests(moved) == digests(on)
    assert digests(replace(on, faces=FacesConfig(find=True, screen_out=True))) == digests(on)
    assert digests(replace(on, faces=FacesConfig(find=True, side_px=400))) != digests(on)
    assert measured_table(on) is MEASURED
    assert compared_table(on) is COMPARED
    assert set(MEASURED.later) < set(SCREENED.later)


def test_a_model_that_fails_on_a_picture_names_it(rows: pl.DataFrame, tmp_path: Path) -> None:
    data = onnx_models.mean_colour([[5.0], [0.0], [0.0]])
    file, sha256 = onnx_models.write(tmp_path / "five.onnx", data)
    model = ClassifierConfig(file=file, sha256=sha256, input_px=4, unsafe=(0,))
    with pytest.raises(BadInput, match=r"screen unsafe: .*red\.png: it says 4\.5"):
        measure_pictures(rows.head(1), tmp_path, replace(QUIET, unsafe=UnsafeConfig(classifier=model)))


def test_the_files_place_is_the_recipes(model: ClassifierConfig, tmp_path: Path) -> None:
    named = replace(QUIET, unsafe=UnsafeConfig(classifier=replace(model, file=Path("m.onnx"))))
    placed = place_screens(named, tmp_path)
    assert placed.unsafe.classifier == model
    check_screens(placed)
    with pytest.raises(BadInput, match="is no file"):
        check_screens(place_screens(named, tmp_path / "elsewhere"))

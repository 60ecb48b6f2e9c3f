"""What probabilities are fitted on: labels read from paths, and what captions name."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relaionet.flows.curation.known_pictures import list_labelled
from relaionet.flows.curation.recipe import CurateRecipe, place_calibrate
from relaionet.flows.curation.recipe_checks import check_calibrate
from relaionet.manifests.errors import BadInput
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig
from relaionet.pipeline.proposals.caption_evidence import read_words


def test_labels_are_read_from_file_names_then_folders(tmp_path: Path) -> None:
    for name in (
        "n01440764/a.jpg",
        "val/n01443537_12.JPEG",
        "n01440764/n02012849_3.jpg",
        "n00000000/b.jpg",
        "other.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    listed = list_labelled(tmp_path, CalibrateConfig())
    assert dict(listed.select("path", "wnid").iter_rows()) == {
        "n01440764/a.jpg": "n01440764", "val/n01443537_12.JPEG": "n01443537", "n01440764/n02012849_3.jpg": "n02012849",
    }  # fmt: skip
    assert list_labelled(tmp_path, CalibrateConfig(max_examples_count=2)).height == 2
    other = list_labelled(tmp_path, CalibrateConfig(max_examples_count=2, seed=3))
    assert set(other["path"]) <= set(listed["path"])


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"x")
    with pytest.raises(BadInput, match="begins with an ImageNet wnid"):
        list_labelled(tmp_path, CalibrateConfig())


def test_what_a_caption_names_and_how() -> None:
    rows = pl.DataFrame(
        {
            "wnid": ["a", "a", None, None, None], "is_sure": [True, False, False, False, False],
            "possible_wnids": [[], [], ["b", "c"], [], None], "other_wnids": [None, [], [], ["d", "e"], []],
        },
        schema_overrides={"possible_wnids": pl.List(pl.String), "other_wnids": pl.List(pl.String)},
    )  # fmt: skip
    named, words = read_words(rows)
    assert named == [("a",), ("a",), ("b", "c"), ("d", "e"), ()]
    assert words == ["sure", "possible", "possible", "several", "none"]
    assert read_words(rows.select("wnid")) == ([("a",), ("a",), (), (), ()], ["sure", "sure", "none", "none", "none"])


def test_what_is_missing_is_found_before_anything_is_loaded(tmp_path: Path) -> None:
    for values, said in (
        ({"file": "gone.json"}, "is no file"), ({"labelled": "gone"}, "no folder"), ({"reviews": ("gone",)}, "no run"),
    ):  # fmt: skip
        given = {
            key: Path(value) if isinstance(value, str) else tuple(map(Path, value)) for key, value in values.items()
        }
        with pytest.raises(BadInput, match=said):
            check_calibrate(place_calibrate(CalibrateConfig(**given), tmp_path))
    assert CurateRecipe(source="x").calibrate.wanted_precision == 0.8
    with pytest.raises(BadInput, match="wanted_precision"):
        CalibrateConfig(wanted_precision=1.5)

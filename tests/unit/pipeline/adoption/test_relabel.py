"""ReaL's labels over a folder of ImageNet's validation pictures."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from tests.fakes.hub.sets import WNIDS, picture


@pytest.fixture
def real(tmp_path: Path) -> Path:
    lists: list[list[int]] = [[0] for _ in range(50_000)]
    lists[:3] = [[7, 5], [], [3]]
    file = tmp_path / "real.json"
    file.write_text(json.dumps(lists))
    return file


def test_every_class_a_picture_shows_and_its_usual_one_first(tmp_path: Path, real: Path) -> None:
    source = tmp_path / "val"
    source.mkdir()
    for number, wnid in ((1, WNIDS[7]), (2, WNIDS[1]), (3, WNIDS[9])):
        (source / f"ILSVRC2012_val_{number:08d}_{wnid}.JPEG").write_bytes(picture(str(number)))
    adoption = plan_adoption(source, AdoptConfig(name="real", real=real))
    pictures = read_pictures(source, [place.path for place in adoption.places], PictureLimits())
    adopted = label_pictures(pictures, adoption)
    assert adopted["wnid"].to_list() == [WNIDS[7], None, WNIDS[3]]
    assert adopted["wnids"].to_list() == [[WNIDS[5], WNIDS[7]], None, None]
    assert adopted.filter(pl.col("status") == "skipped")["reason"].to_list() == [
        "ReaL's raters saw none of the classes in it"
    ]
    assert make_adopted_manifest(pictures, adopted).height == 2


def test_pictures_of_another_set_are_refused(tmp_path: Path, real: Path) -> None:
    (tmp_path / "set" / "tench").mkdir(parents=True)
    (tmp_path / "set" / "tench" / "a.jpg").write_bytes(picture("a"))
    with pytest.raises(BadInput, match="no picture is called like ILSVRC2012_val"):
        plan_adoption(tmp_path / "set", AdoptConfig(name="real", real=real))

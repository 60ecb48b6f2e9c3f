"""Rows of several classes through a split and its exports, as other programs read them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

import relaionet as rn
from relaionet.manifests.errors import BadInput
from relaionet.manifests.files import write_json
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.release import check_release
from relaionet.pipeline.exports.registry import list_formats
from relaionet.pipeline.splits import export
from relaionet.pipeline.splits.build import read_split
from relaionet.pipeline.splits.export import ExportConfig, export_split
from tests.fakes.hub.splits import FURTHER, make_split

COUNT = 9
FORMATS = [format.name for format in list_formats()]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_split(tmp_path_factory.mktemp("several"), COUNT, several=True)[1]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")


def classes_of(split: Path) -> list[list[str]]:
    rows = read_split(split)[0].select("wnid", "wnids").iter_rows()
    return [sorted(wnids or [wnid]) for wnid, wnids in rows]


def test_release_and_split_carry_them(split: Path) -> None:
    released = check_release(split.parent / "release").manifest
    assert released["wnids"].null_count() == 5
    kept = read_split(split)[0]
    both = kept.join(released.select("candidate_id", expected="wnids"), on="candidate_id", maintain_order="left")
    assert both["wnids"].to_list() == both["expected"].to_list()
    assert [len(some) for some in classes_of(split)] == [1, 2] * 4
    assert all(FURTHER in some for some in classes_of(split)[1::2])


def test_another_set_of_classes_is_another_digest(split: Path, tmp_path: Path) -> None:
    plain = read_split(make_split(tmp_path, COUNT)[1])
    assert plain.rows["candidate_id"].equals(read_split(split).rows["candidate_id"])
    assert plain.about["digest"] != read_split(split).about["digest"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_all_classes_of_every_image(format: str, split: Path, tmp_path: Path) -> None:
    import datasets

    out = tmp_path / format
    export_split(split, ExportConfig(format=format), out)
    loaded = datasets.load_dataset(str(out), split="test", cache_dir=str(tmp_path / "cache"))
    told = [row["wnids"] for row in loaded["json"]] if format == "webdataset" else loaded["wnids"][:]
    assert told == classes_of(split)
    if format == "webdataset":
        names = [file for file in (out / "data").iterdir() if file.suffix == ".tar"]
        with tarfile.open(names[0]) as tar:
            told = [json.load(tar.extractfile(one))["wnids"] for one in tar if one.name.endswith(".json")]  # type: ignore[arg-type]
        assert told == classes_of(split)[: len(told)]
    else:
        feature = loaded.features["wnids"]
        assert (type(feature).__name__, feature.feature.dtype) == ("List", "string")
        assert '"images/wnids"' in (out / "croissant.json").read_text()


def test_the_split_itself_is_read_with_them(split: Path, tmp_path: Path) -> None:
    import datasets

    loaded = datasets.load_dataset(str(split), split="test", cache_dir=str(tmp_path))
    assert loaded["wnids"][:] == classes_of(split)
    ours = rn.load_split(split)
    assert ours.to_hf()["wnids"][:] == ours.shown() == classes_of(split)


def test_what_an_earlier_version_finished_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = make_split(tmp_path, 4)[1]
    monkeypatch.setattr(export, "VERSION", export.WITHOUT_CLASSES)
    before = export_split(split, ExportConfig(), tmp_path / "old")
    monkeypatch.undo()
    assert export_split(split, ExportConfig(), tmp_path / "old") == before
    assert export_split(split, ExportConfig(), tmp_path / "new")["build_digest"] != before["build_digest"]
    write_json(tmp_path / "old" / "export.json", before | {"build_digest": "0" * 64})
    with pytest.raises(BadInput, match="another export"):
        export_split(split, ExportConfig(), tmp_path / "old")


def test_predictions_are_right_with_any_class_of_an_image(split: Path) -> None:
    ours = rn.load_split(split)
    labels = ours.rows["class_index"].to_list()
    assert ours.score_predictions(labels).value == 1
    further = labels_by_wnid()[FURTHER].class_index
    found = ours.score_predictions([further] * len(ours))
    assert (found.value, found.images_count, found.left_out_count) == (0.5, 8, 0)
    assert found.low < 0.5 < found.high
    by_class = {row["wnid"]: (row["value"], row["images_count"]) for row in found.by_class.to_dicts()}
    assert by_class[FURTHER] == (1, 4)
    assert sum(count for _, count in by_class.values()) == 8 + 4, "an image counts under each of its classes"
    assert ours.score_predictions([[0, further]] * len(ours)).value == 0.5
    with pytest.raises(BadInput, match="7 predictions for 8 images"):
        ours.score_predictions(labels[1:])
    for wrong in (1000, -1, "n0", 1.5, None, True, [], [7, "n0"], [[7]], {"a": 1}):
        with pytest.raises(BadInput, match="expected a wnid or a class_index"):
            ours.score_predictions([wrong, *labels[1:]])

"""`rn.score`: images in every form give the scores that `relaionet evaluate` gives; what is missing is said."""

from __future__ import annotations

import json
import shutil
import tarfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import relaionet as rn
from relaionet.evaluators.features.stored import read_feature_set, write_feature_set
from relaionet.evaluators.sampling.shards import read_samples
from relaionet.evaluators.scoring.score import score_real
from relaionet.flows.evaluation.stored_sets import StoredSet, read_sets
from relaionet.manifests.store import Store
from relaionet.manifests.tables import SPLIT
from tests.unit.evaluators.scoring.test_score import CLASSES, make_set, values
from tests.unit.relaionet.conftest import ARCHIVE

OPTIONS: dict[str, Any] = {"protocol": "miniature", "device": "cpu"}


@pytest.fixture(scope="module")
def split(made: Path) -> rn.Split:
    return rn.load_split(made / "split")


@pytest.fixture(scope="module")
def stored(made: Path) -> StoredSet:
    return read_sets(made / "evaluation").sets[0]


@pytest.fixture(scope="module")
def arrays(stored: StoredSet) -> dict[str, np.ndarray]:
    """sample_id -> image of a set that `relaionet evaluate` scored."""
    rows, images = read_samples(stored.folder)
    assert rows["status"].unique().to_list() == ["ok"]
    return {name: np.asarray(images[int(row)]) for name, row in rows.select("sample_id", "row").iter_rows()}


@pytest.fixture(scope="module")
def expected(stored: StoredSet) -> pl.DataFrame:
    """The scores of the evaluation as it was made; other tests make it anew."""
    with tarfile.open(ARCHIVE) as archive:
        member = archive.extractfile("made/evaluation/scores.parquet")
        assert member is not None
        table = pl.read_parquet(member.read())
    scores = table.filter(generator=stored.name, steps=stored.asked.steps, guidance=stored.asked.guidance)
    return scores.filter(pl.col("metric") != "MMHM").sort("metric")  # of all sets together


def check(scores: pl.DataFrame, expected: pl.DataFrame) -> None:
    shown = scores.sort("metric")
    assert shown["metric"].to_list() == expected["metric"].to_list()
    for name in ("value", "low", "high"):
        assert shown[name].to_list() == pytest.approx(expected[name].to_list(), rel=1e-6, abs=1e-9)
    for name in ("n", "method", "protocol", "split"):
        assert shown[name].to_list() == expected[name].to_list()
    # the evaluation was made before the protocol read pictures as shown; plain ones give the same numbers
    assert shown["made_with"].n_unique() == expected["made_with"].n_unique() == 1
    assert set(shown["made_with"]) != set(expected["made_with"])


def write_pictures(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    for name, array in arrays.items():
        Image.fromarray(array).save(folder / f"{name}.png")
    return folder


def test_images_in_memory_score_as_the_evaluation_did(
    split: rn.Split, arrays: dict[str, np.ndarray], expected: pl.DataFrame
) -> None:
    check(rn.score(arrays, split, **OPTIONS), expected)
    in_order = [arrays[name] for name in split.rows["candidate_id"]]
    check(rn.score(in_order, split, **OPTIONS), expected)
    check(rn.score((Image.fromarray(one) for one in in_order), str(split.folder), **OPTIONS), expected)


def test_files_score_as_the_evaluation_did(
    split: rn.Split, arrays: dict[str, np.ndarray], expected: pl.DataFrame, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "pictures", arrays)
    check(rn.score(folder, split, **OPTIONS), expected)
    with tarfile.open(tmp_path / "pictures.tar", "w") as archive:
        archive.add(folder, arcname=".")
    check(rn.score(tmp_path / "pictures.tar", split, **OPTIONS), expected)
    np.savez(tmp_path / "pictures.npz", arr_0=np.stack([arrays[name] for name in split.rows["candidate_id"]]))
    check(rn.score(str(tmp_path / "pictures.npz"), split, out=tmp_path / "kept", **OPTIONS), expected)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"reference", "samples"}


def test_labels_settle_which_row_an_image_answers(
    split: rn.Split, arrays: dict[str, np.ndarray], expected: pl.DataFrame, tmp_path: Path
) -> None:
    rows = split.rows.reverse()
    shuffled = [arrays[name] for name in rows["candidate_id"]]
    by_wnid = rn.score(shuffled, split, labels=rows["wnid"].to_list(), **OPTIONS)
    assert by_wnid.filter(metric="FD")["value"].item() == pytest.approx(expected.filter(metric="FD")["value"].item())
    np.savez(tmp_path / "x.npz", arr_0=np.stack(shuffled), arr_1=rows["class_index"].to_numpy())
    by_index = rn.score(tmp_path / "x.npz", split, **OPTIONS)
    assert by_index["value"].to_list() == pytest.approx(by_wnid["value"].to_list(), rel=1e-9)
    # without labels the same images answer the wrong rows
    wrong = rn.score(shuffled, split, **OPTIONS)
    assert wrong.filter(metric="accuracy")["value"].item() < by_wnid.filter(metric="accuracy")["value"].item()


def test_what_is_left_over_is_said_and_n_says_how_many(split: rn.Split, arrays: dict[str, np.ndarray]) -> None:
    some = dict(list(arrays.items())[:12]) | {"f" * 64: np.zeros((32, 32, 3), np.uint8)}
    with pytest.warns(UserWarning, match="13 images and 18 rows of the split; the 12 that both have"):
        scores = rn.score(some, split, **OPTIONS)
    assert scores["n"].unique().to_list() == [12]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rn.score(arrays, split, **OPTIONS)


@pytest.mark.parametrize(
    ("images", "labels", "why"),
    [
        ([np.zeros((8, 8, 3), np.uint8)] * 3, None, "3 images without labels, and 18 rows"),
        ([np.zeros((8, 8, 3), np.uint8)] * 3, [1, 2], "2 labels for 3 images"),
        ([np.zeros((8, 8, 3), np.uint8)], [1000], "label 1000 is no class_index"),
        ([np.zeros((8, 8, 3), np.uint8)], ["n00000000"], "n00000000"),
        ([np.zeros((8, 8, 3), np.uint8)], "labels.csv", "cannot be the file labels.csv"),
        ([np.zeros((8, 8, 3), np.float32)], [1], r"\[8, 8, 3\] float32; expected \[H, W, 3\] uint8"),
        ([np.zeros((8, 8), np.uint8)], [1], r"\[8, 8\] uint8; expected"),
        ([np.zeros((8, 8, 3), np.uint8)], [0], "none of 1 image answers a row"),
        ({"0" * 64: np.zeros((8, 8, 3), np.uint8)}, None, "none of 1 image answers a row"),
        ({"0" * 64: np.zeros((8, 8, 3), np.uint8)}, [1], "leave out labels"),
        ([], None, "none of 0 images answers a row"),
        ("nowhere", None, "do not exist"),
        ("nowhere", [1], "labels of a folder or tar are a CSV file"),
    ],
)
def test_what_is_missing_is_said_before_a_model_is_loaded(
    split: rn.Split, images: Any, labels: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relaionet.evaluators.features.models.load_models", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(rn.BadInput, match=why):
        rn.score(images, split, labels=labels, **OPTIONS)


def test_a_folder_without_labels_is_told_what_it_may_hold(split: rn.Split, tmp_path: Path) -> None:
    write_pictures(tmp_path / "p", {"one": np.zeros((8, 8, 3), np.uint8)})
    with pytest.raises(rn.BadInput, match=r"name it <sample_id>\.png, or lay it into a folder named by its wnid"):
        rn.score(tmp_path / "p", split, **OPTIONS)


def test_metrics_lists_what_scores_name(expected: pl.DataFrame) -> None:
    table = rn.metrics()
    assert table["metric"].is_unique().all()
    known = set(table["metric"])
    assert {name.removesuffix(" (relative)") for name in expected["metric"]} <= known
    assert set(table["better"]) <= {"lower", "higher", "neither"}
    assert table.filter(pl.col("meaning") == "").is_empty()
    assert table.filter(metric="precision")["extra"].item() == "neighbours"


def test_a_row_of_several_classes_is_right_with_any(made: Path, arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Every row is said to show every class of the split: the classifier is always right, and nothing else moves."""
    shutil.copytree(made / "split", tmp_path / "split")
    store = Store(tmp_path / "split")
    rows = store.read(SPLIT)
    every = sorted(rows["wnid"].unique())
    store.write(rows.with_columns(wnids=pl.lit(every, pl.List(pl.String))), SPLIT, "0" * 64)
    plain = rn.score(arrays, made / "split", **OPTIONS)
    several = rn.score(arrays, tmp_path / "split", **OPTIONS)
    assert plain.filter(metric="accuracy")["value"][0] < several.filter(metric="accuracy")["value"][0] == 1
    rest = [one.filter(pl.col("metric") != "accuracy").drop("split") for one in (plain, several)]
    assert rest[0].equals(rest[1])


def test_stored_sets_keep_the_classes_of_their_rows(tmp_path: Path) -> None:
    images = make_set(40)
    shown = tuple((wnid, CLASSES[0]) if place % 2 else (wnid,) for place, wnid in enumerate(images.wnids))
    for name, one in (("several", replace(images, shown=shown)), ("alone", images)):
        folder = tmp_path / name
        (folder / "features").mkdir(parents=True)
        for array in ("features", "logits"):
            np.save(folder / "features" / f"{array}.npy", getattr(one, array))
        places = {array: f"features/{array}.npy" for array in ("features", "logits")}
        write_feature_set(folder, replace(one, places=places))
        read = read_feature_set(folder, images.protocol)
        assert read.shown == one.shown
        assert values(score_real(read, "s")) == values(score_real(one, "s"))
    told = json.loads((tmp_path / "several" / "feature-set.json").read_text())
    (tmp_path / "several" / "feature-set.json").write_text(json.dumps(told | {"shown": told["shown"][:-1]}))
    with pytest.raises(rn.Corrupt, match="not of 40 images"):
        read_feature_set(tmp_path / "several", images.protocol)

"""`rn.load_split`: rows, pictures as they are shown, and the same for torch and `datasets`."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image, ImageOps

import relaionet as rn


@pytest.fixture(scope="module")
def split(made: Path) -> rn.Split:
    return rn.load_split(made / "split")


def test_rows_are_those_kept_and_all_rows_are_the_release(split: rn.Split) -> None:
    assert len(split) == split.rows.height == split.all_rows.filter("kept").height
    assert split.coverage == pytest.approx(len(split) / split.all_rows.height)
    assert split.all_rows.filter(~pl.col("kept"))["status"].to_list() == ["gone"]
    assert len(split.digest) == 64
    assert split.digest[:12] in split.citation
    assert split.name == "made-before-v1"


def test_iterating_gives_each_row_with_its_own_picture(split: rn.Split) -> None:
    pairs = list(split)
    assert [row["candidate_id"] for row, _ in pairs] == split.rows["candidate_id"].to_list()
    for row, picture in pairs:
        with Image.open(row["path"]) as stored:
            assert picture.size == ImageOps.exif_transpose(stored).size
        assert picture.mode == "RGB"


def test_a_place_outside_the_split_is_an_index_error(split: rn.Split) -> None:
    assert split[-1][0] == split[len(split) - 1][0]
    for place in (len(split), -len(split) - 1):
        with pytest.raises(IndexError, match="has 18 images"):
            _ = split[place]


def test_a_picture_is_upright_and_on_white(split: rn.Split, tmp_path: Path) -> None:
    turned = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(tmp_path / "turned.png", exif=exif)
    rows = split.rows.head(1).with_columns(path=pl.lit(str(tmp_path / "turned.png")))
    _, picture = rn.Split(folder=tmp_path, rows=rows, all_rows=split.all_rows, about=split.about)[0]
    assert picture.size == (4, 8)
    assert (np.asarray(picture) == 255).all()


def test_a_file_that_is_no_picture_is_named(split: rn.Split, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    rows = split.rows.head(1).with_columns(path=pl.lit(str(tmp_path / "x.png")))
    broken = rn.Split(folder=tmp_path, rows=rows, all_rows=split.all_rows, about=split.about)
    with pytest.raises(rn.BadInput, match=r"x\.png"):
        _ = broken[0]


def _to_tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture.resize((8, 8)))).permute(2, 0, 1)  # [3, 8, 8] uint8


def test_torch_takes_it_with_labels_by_class_index(split: rn.Split) -> None:
    dataset = split.to_torch(_to_tensor)
    assert isinstance(dataset, torch.utils.data.Dataset)
    batches = list(torch.utils.data.DataLoader(pickle.loads(pickle.dumps(dataset)), batch_size=5))
    assert torch.cat([images for images, _ in batches]).shape == (18, 3, 8, 8)
    assert torch.cat([labels for _, labels in batches]).tolist() == split.rows["class_index"].to_list()
    assert dataset.targets == split.rows["class_index"].to_list()


def test_datasets_takes_it_with_all_thousand_names(split: rn.Split) -> None:
    dataset = split.to_hf()
    label = dataset.features["label"]
    assert label.num_classes == 1000
    assert [label.int2str(one) for one in dataset["label"]] == split.rows["wnid"].to_list()
    assert dataset[0]["image"].size == split[0][1].size


def test_what_is_no_split_says_so(tmp_path: Path) -> None:
    with pytest.raises(rn.BadInput, match="no finished split"):
        rn.load_split(tmp_path)

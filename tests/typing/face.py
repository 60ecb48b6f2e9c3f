"""What somebody writes who uses the face; never run, only read by pyright (`make check`), as their editor would."""

from pathlib import Path
from typing import assert_type

import polars as pl
from PIL import Image

import relaionet as rn
from relaionet.evaluators.generators import Generator, Request, Settings
from relaionet.evaluators.protocols import find_protocol
from relaionet.manifests.labels import find_label
from relaionet.manifests.tables import SPLIT
from relaionet.pipeline.downloads import DownloadConfig


def use_the_face(release: str, folder: Path) -> None:
    assert_type(rn.__version__, str)
    assert_type(rn.load_release(release).manifest, pl.DataFrame)
    split = rn.rebuild(release, folder, policy="exact", download=DownloadConfig(timeout_s=5))
    assert_type(split, rn.Split)
    assert_type(split.rows, pl.DataFrame)
    assert_type(split.coverage, float)
    assert_type(split.digest, str)
    for row, picture in split:
        find_label(row["wnid"])
        assert_type(picture, Image.Image)
    dataset = split.to_torch(transform=lambda picture: picture.resize((32, 32)))
    assert_type(len(dataset), int)
    split.to_hf().with_format("torch")

    assert_type(rn.curate("demo", folder), pl.DataFrame)
    assert_type(rn.evaluate("paper", folder, split=folder), pl.DataFrame)
    assert_type(rn.report(folder, out=folder), Path)
    assert_type(rn.metrics(), pl.DataFrame)

    generator = rn.load_generator("miniature-flow", device="cpu")
    assert_type(generator, Generator)
    label = find_label("n01440764")
    request = Request(sample_id="0" * 64, class_index=label.class_index, wnid=label.wnid, class_name=label.name,
                      prompt=label.name, seed=0)  # fmt: skip
    made = generator.generate([request], Settings(steps=1, guidance=1.0))
    scores = rn.score(list(made.images), split, protocol=find_protocol("ours").name, labels=[label.wnid])
    assert_type(scores, pl.DataFrame)
    rn.score("samples.npz", folder)
    rn.score({"0" * 64: Image.new("RGB", (32, 32))}, folder)
    assert_type(rn.compare(split, folder, features=["miniature"], mix="equal", labels=(None, "b.csv")), pl.DataFrame)
    assert_type(SPLIT.empty(), pl.DataFrame)
    try:
        rn.load_split("nowhere")
    except (rn.BadInput, rn.Corrupt, rn.Unavailable) as error:
        print(error)

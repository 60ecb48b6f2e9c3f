"""Sets of real photos compared with a real network: near, further, and with shuffled classes."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

import relaionet as rn
from tests.measure.metrics import REAL, read_truth

pytestmark = [pytest.mark.real, pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/real")]
EXTRACTOR = f"{Path(__file__).parents[1] / 'measure' / 'metrics.py'}:MobileNet"
PER_CLASS = 16


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """Imagenette's validation photos, the same with shuffled classes, and Flickr's, each against Imagenette's train."""
    root = tmp_path_factory.mktemp("compared")
    places = {}
    for name in ("imagenette", "reference"):
        places[name] = root / name
        places[name].mkdir()
        taken: dict[str, int] = {}
        for path in sorted((REAL / "photos" / name).glob("n*.jpg")):
            wnid = path.name[:9]
            taken[wnid] = taken.get(wnid, 0) + 1
            if taken[wnid] <= PER_CLASS:
                (places[name] / path.name).symlink_to(path)
    truth = read_truth().filter(pl.col("file").str.starts_with("flickr/")).unique("file").sort("file").head(160)
    flickr, names = root / "flickr", sorted(path.name for path in places["imagenette"].iterdir())
    flickr.mkdir()
    for file in truth["file"]:
        (flickr / file.removeprefix("flickr/")).symlink_to(REAL / "photos" / file)
    wnids = [name[:9] for name in names]
    random.Random(0).shuffle(wnids)
    shuffled, labels = root / "shuffled.csv", root / "flickr.csv"
    shuffled.write_text("file,wnid\n" + "".join(f"{name},{wnid}\n" for name, wnid in zip(names, wnids, strict=True)))
    rows = truth.select(pl.col("file").str.strip_prefix("flickr/"), "wnid").iter_rows()
    labels.write_text("file,wnid\n" + "".join(f"{name},{wnid}\n" for name, wnid in rows))

    protocol = root / "small.toml"
    protocol.write_text('name = "small"\nsize_px = 160\ndecode = "as shown"\n[real]\nfit = "crop"\n')

    def compare(one: Path, table: Path | None = None) -> pl.DataFrame:
        out = root / f"out-{one.name}"  # features are extracted once
        return rn.compare(
            one,
            places["reference"],
            labels=(table, None),
            features=[EXTRACTOR],
            draws=2,
            out=out,
            device="cpu",
            protocol=str(protocol),
        )

    near = compare(places["imagenette"])
    mixed = compare(places["imagenette"], shuffled)
    with pytest.warns(UserWarning, match="in flickr alone"):
        far = compare(flickr, labels)
    return {"near": near, "shuffled": mixed, "far": far}


def pick(rows: pl.DataFrame, metric: str, mix: str = "equal") -> dict:
    return rows.filter(metric=metric, mix=mix, part="", about="both").row(0, named=True)


def test_validation_is_near_train_and_flickr_is_further_outside_the_intervals(found) -> None:
    for mix in ("any", "equal"):
        near = pick(found["near"], "KD", mix)
        assert near["low"] <= 0 <= near["high"], mix
    near, far = (pick(found[name], "KD", "any") for name in ("near", "far"))
    assert near["n"] == far["n"] == 160
    assert far["low"] > near["high"]
    for metric in ("FD", "precision"):
        near, far = (pick(found[name], metric, "any") for name in ("near", "far"))
        assert (far["low"] > near["high"]) if metric == "FD" else (far["high"] < near["low"])
    assert pick(found["near"], "FD")["low"] <= pick(found["near"], "FD")["floor"] <= pick(found["near"], "FD")["high"]


def test_shuffled_classes_leave_the_whole_and_part_the_classes(found) -> None:
    for metric in ("FD", "KD"):
        shuffled = pick(found["shuffled"], metric)
        assert shuffled["low"] <= pick(found["near"], metric)["value"] <= shuffled["high"]
    apart = {name: pick(found[name], "class KD") for name in ("near", "shuffled")}
    assert apart["shuffled"]["low"] > apart["near"]["high"]
    assert apart["shuffled"]["value"] > pick(found["far"], "KD", "any")["high"]


def test_shuffled_classes_are_more_varied_within(found) -> None:
    alike = {
        name: found[name].filter(metric="similarity", about="A", part="").row(0, named=True)
        for name in found
        if name != "far"
    }
    assert alike["shuffled"]["high"] < alike["near"]["low"]

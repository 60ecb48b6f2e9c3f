"""Real photos adopted from folders, and found again in a folder of other names and other bytes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.flows.adopt import run_adopt
from relaionet.manifests.labels import labels_by_wnid
from relaionet.manifests.release.release import check_release
from relaionet.pipeline.adoption.adopt import AdoptConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.splits.build import carry_out
from relaionet.pipeline.splits.plan import SplitConfig, plan_split

PHOTOS = Path(__file__).parents[3] / "shared" / "real" / "photos"
pytestmark = [pytest.mark.real, pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs ../shared/real/photos")]
PER_CLASS = 12


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same photos in folders by wnid, by class name and by class number."""
    root = tmp_path_factory.mktemp("sets")
    chosen: dict[str, list[Path]] = {}
    for file in sorted((PHOTOS / "imagenette").iterdir()):
        chosen.setdefault(file.name.partition("_")[0], []).append(file)
    for wnid, files in chosen.items():
        label = labels_by_wnid()[wnid]
        for kind, name in (
            ("wnids", wnid),
            ("names", label.name.replace(" ", "_")),
            ("numbers", str(label.class_index)),
        ):
            (root / kind / name).mkdir(parents=True)
            for file in files[:PER_CLASS]:
                (root / kind / name / file.name).write_bytes(file.read_bytes())
    return root


def test_three_layouts_of_the_same_photos_are_labelled_alike(sets: Path, tmp_path: Path) -> None:
    found = {}
    for kind in ("wnids", "names", "numbers"):
        path = run_adopt(sets / kind, tmp_path, AdoptConfig(name=kind, kind=kind))  # type: ignore[arg-type]
        rows = check_release(path).manifest
        found[kind] = rows.select("image_sha256", "wnid", "class_index", "phash", "thumbprint").sort("image_sha256")
        truth = rows["path"].str.split("/").list.last().str.slice(0, 9)
        assert (rows["wnid"] == truth).all()
    assert found["wnids"].equals(found["names"])
    assert found["wnids"].equals(found["numbers"])
    assert found["wnids"].height == 10 * PER_CLASS


def test_resized_photos_are_found_and_no_other_photo_is_taken_for_one(sets: Path, tmp_path: Path) -> None:
    path = run_adopt(sets / "wnids", tmp_path / "releases", AdoptConfig(name="photos"))
    release = check_release(path)
    other = tmp_path / "other"
    other.mkdir()
    resized = release.manifest["path"].to_list()[::4]
    for number, place in enumerate(resized):
        with Image.open(sets / "wnids" / place) as image:
            image.convert("RGB").resize((300, 300)).save(other / f"{number}.jpg", quality=75)
    strangers = sorted((PHOTOS / "flickr").iterdir())[:150]
    for file in strangers:
        (other / file.name).write_bytes(file.read_bytes())
    table = carry_out(plan_split(release, SplitConfig(), tmp_path / "split", images=other), DownloadConfig())
    judged = release.manifest.select("candidate_id", "path").join(table.drop("path"), on="candidate_id")
    again = pl.col("path").is_in(resized)
    assert set(judged.filter(again)["status"]) == {"same_picture"}
    assert set(judged.filter(~again)["status"]) == {"gone"}

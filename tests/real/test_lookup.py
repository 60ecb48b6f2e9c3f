"""Real photos without addresses, hidden among real rows: found again, and nowhere at the address of another photo."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from relaionet.flows.adopt import run_adopt
from relaionet.flows.lookup import run_lookup
from relaionet.flows.lookups.order import LookupOrder
from relaionet.manifests.release.release import check_release
from relaionet.pipeline.adoption.adopt import AdoptConfig
from relaionet.pipeline.downloads.fetch import DownloadConfig
from tests.real.photos import REAL, encode_again, serve_photos

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="needs the real material at ../shared/real"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """LOOKUP of the 400 Flickr photos, with the true stem of each."""
    folder = tmp_path_factory.mktemp("lookup")
    truth = pl.read_parquet(REAL / "truth.parquet").filter(pl.col("file").str.starts_with("flickr/"))
    for number, (file, wnid) in enumerate(truth.select("file", "wnid").rows()):
        data, ending = encode_again(REAL / "photos" / file, number)
        place = folder / "set" / wnid / f"{Path(file).stem}.{ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    release = run_adopt(folder / "set", folder / "releases", AdoptConfig(name="flickr"))
    with serve_photos() as proxy:
        order = LookupOrder(
            release=str(release), places=(str(REAL / "rows.parquet"),), out=folder / "out",
            download=DownloadConfig(proxy=proxy, timeout_s=30.0, retries=1, requests_per_host=32),
        )  # fmt: skip
        made = run_lookup(order)
    stem = pl.col("path").str.extract(r"([^/]+)\.\w+$")
    names = check_release(made).manifest.select("candidate_id", stem=stem)
    return pl.read_parquet(folder / "out" / "lookup" / "all.parquet").join(names, on="candidate_id")


def test_nearly_all_are_found(found: pl.DataFrame) -> None:
    assert found.height == 400
    assert found["status"].eq("ok").sum() == 400  # as docs/tutorials/lookup.md says; the goal was 98 %


def test_no_address_is_that_of_another_photo(found: pl.DataFrame) -> None:
    """`again/` holds copies of some of the photos; which of which, only their pixels say."""
    addresses = found.select("stem", url=pl.concat_list(pl.concat_list("url"), pl.col("other_urls").fill_null([])))
    addresses = (
        addresses.explode("url").drop_nulls("url").with_columns(file=pl.col("url").str.extract(r"invalid/(.+)$"))
    )
    own = addresses.filter(pl.col("file") == pl.format("flickr/{}.jpg", "stem"))
    assert own.height == found["status"].eq("ok").sum()  # every row that is found has its own address among them
    others = addresses.filter(pl.col("file") != pl.format("flickr/{}.jpg", "stem"))
    assert set(others["file"].str.split("/").list.first()) <= {"again"}
    for stem, file in others.select("stem", "file").rows():
        with Image.open(REAL / "photos" / "flickr" / f"{stem}.jpg") as one, Image.open(REAL / "photos" / file) as two:
            left, right = (image.convert("L").resize((32, 32)) for image in (one, two))
        differences = [abs(a - b) for a, b in zip(left.tobytes(), right.tobytes(), strict=True)]
        assert sum(differences) / len(differences) < 4, (stem, file)  # grey values; of two photos of one class about 60

"""What each place is, and how it is named where others read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaionet.manifests.errors import BadInput
from relaionet.pipeline.lookup.places import LookupConfig, name_of, sort_places, stated_encoder


def test_places_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "laion" / "img_emb").mkdir(parents=True)
    (tmp_path / "run" / "embeddings" / "clip" / "img_emb").mkdir(parents=True)
    (tmp_path / "tables").mkdir()
    places = sort_places(
        [
            str(tmp_path / "laion"), "http://127.0.0.1:1234/knn-service", str(tmp_path / "run"),
            str(tmp_path / "tables"), str(tmp_path / "rows-*.parquet"), "https://a.example/part-0.parquet?x=1",
            "hf://datasets/a/b/*.parquet", str(tmp_path / "laion"),
        ]
    )  # fmt: skip
    assert places.stores == (tmp_path / "laion", tmp_path / "run" / "embeddings" / "clip")
    assert places.services == ("http://127.0.0.1:1234",)
    assert places.sources == (
        str(tmp_path / "tables"), str(tmp_path / "rows-*.parquet"), "https://a.example/part-0.parquet?x=1",
        "hf://datasets/a/b/*.parquet",
    )  # fmt: skip
    assert places.take_vectors
    assert [name_of(store) for store in places.stores] == ["laion", "run"]
    assert not sort_places(["rows.parquet"]).take_vectors


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(BadInput, match="password"):
        sort_places(["http://me:secret@a.example:1234"])
    with pytest.raises(BadInput, match="nowhere to look"):
        sort_places([])


def test_the_encoder_a_store_says(tmp_path: Path) -> None:
    assert stated_encoder(tmp_path) is None
    (tmp_path / "encoder.json").write_text('{"name": "miniature", "dim": 64}')
    assert stated_encoder(tmp_path) == "miniature"
    (tmp_path / "encoder.json").write_text('{"name": 5}')
    assert stated_encoder(tmp_path) is None


@pytest.mark.parametrize(
    "settings", [{"per_row_count": 0}, {"min_cosine": 2.0}, {"captions": "some"}, {"rows_per_shard": 0}]
)
def test_settings_that_cannot_be(settings: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(settings))):
        LookupConfig(**settings)  # type: ignore[arg-type]

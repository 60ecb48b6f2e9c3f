from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.release.release import check_release, make_release
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from relaionet.pipeline.splits.vectors import PictureVectors, make_vectors, read_vectors
from relaionet.pipeline.splits.verdicts import VerdictConfig, compare_pictures, judge_rows
from tests.measure.verdicts import CHANGED, SAME
from tests.unit.manifests.conftest import manifest_rows

SCHEMA = {
    "expected_sha256": pl.String, "image_sha256": pl.String, "phash_distance": pl.Int32, "luma_distance": pl.Float32,
    "chroma_distance": pl.Float32, "contrast": pl.Float32, "cosine": pl.Float32, "fetch_status": pl.String,
    "fetch_reason": pl.String,
}  # fmt: skip
SEEN = {
    "expected_sha256": "a", "image_sha256": "b", "phash_distance": 2, "luma_distance": 3.0, "chroma_distance": 3.0,
    "contrast": 40.0, "cosine": None, "fetch_status": "ok", "fetch_reason": None,
}  # fmt: skip


def judge(**changes: object) -> tuple[str, str | None]:
    row = judge_rows(pl.DataFrame([SEEN | changes], schema=SCHEMA), VerdictConfig()).row(0, named=True)
    return row["status"], row["reason"]


def test_every_kind_of_difference_is_named() -> None:
    assert judge() == ("same_picture", "other bytes of the same picture")
    assert judge(image_sha256="a", phash_distance=0, contrast=None) == ("exact", None)
    assert judge(phash_distance=7) == ("changed", "another picture")
    assert judge(luma_distance=16.5) == ("changed", "a part of the picture differs")
    assert judge(chroma_distance=20.5) == ("changed", "other colours")
    assert judge(contrast=1.0) == ("changed", "one flat colour")
    assert judge(cosine=0.3) == ("changed", "the embeddings differ")
    assert judge(cosine=0.95)[0] == "same_picture"
    nothing = dict.fromkeys(("image_sha256", "phash_distance", "luma_distance", "chroma_distance", "contrast"))
    assert judge(**nothing, fetch_status="slow", fetch_reason="timed out") == ("gone", "slow: timed out")


def test_without_a_thumbprint_the_hash_alone_must_be_nearer() -> None:
    alone = {"luma_distance": None, "chroma_distance": None}
    assert judge(**alone) == ("same_picture", "other bytes of the same picture, by its perceptual hash alone")
    assert judge(**alone, phash_distance=4) == ("changed", "another picture")


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "expected_sha256": st.sampled_from("ab"), "image_sha256": st.sampled_from("abc"),
                "phash_distance": st.none() | st.integers(0, 64), "luma_distance": st.none() | st.floats(0, 255),
                "chroma_distance": st.none() | st.floats(0, 255), "contrast": st.floats(0, 127),
                "cosine": st.none() | st.floats(-1, 1), "fetch_status": st.just("gone"), "fetch_reason": st.just("x"),
            }
        ),
        max_size=20,
    )
)  # fmt: skip
def test_every_row_has_one_verdict_that_does_not_depend_on_the_others(rows: list[dict[str, object]]) -> None:
    table = pl.DataFrame(rows, schema=SCHEMA)
    whole = judge_rows(table, VerdictConfig())
    assert whole.drop("status", "reason").equals(table)
    assert whole["status"].null_count() == 0
    assert whole.filter((pl.col("status") == "exact") == pl.col("reason").is_null()).height == whole.height
    alone = [judge_rows(table[number], VerdictConfig()) for number in range(table.height)]
    assert not alone or pl.concat(alone).equals(whole)
    stricter = VerdictConfig(max_phash_distance=3, max_luma_distance=4, max_chroma_distance=4)
    kept = set(judge_rows(table.with_row_index(), stricter).filter(status="same_picture")["index"])
    assert kept <= set(whole.with_row_index().filter(status="same_picture")["index"])


def photo(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Shapes of all sizes on a soft ground: edges, texture, flat parts."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    image = Image.fromarray(ground).resize(size, Image.Resampling.BICUBIC)
    for _ in range(12):
        side = int(rng.integers(10, 90))
        at = (int(rng.integers(0, size[0] - side)), int(rng.integers(0, size[1] - side)))
        image.paste(tuple(int(value) for value in rng.integers(0, 256, 3)), (*at, at[0] + side, at[1] + side))
    return image


def rows_of(before: list[Image.Image], after: list[Image.Image], folder: Path) -> pl.DataFrame:
    for number, image in enumerate(after):
        image.convert("RGB").save(folder / f"{number}.png")
    return pl.DataFrame(
        {
            "candidate_id": [str(number) for number in range(len(after))],
            "expected_sha256": "a", "image_sha256": "b",
            "expected_phash": [phash_hex(image) for image in before],
            "expected_thumbprint": [thumbprint_hex(image) for image in before],
            "expected_version": None,
            "place": [f"{number}.png" for number in range(len(after))],
            "fetch_status": "ok", "fetch_reason": "",
        }
    )  # fmt: skip


@pytest.mark.parametrize(("kinds", "expected"), [(SAME, "same_picture"), (CHANGED, "changed")])
def test_damage_is_told_from_re_encoding(kinds: dict[str, object], expected: str, tmp_path: Path) -> None:
    kinds = {name: damage for name, damage in kinds.items() if "cropped" not in name and "nearest" not in name}
    before = [photo(seed) for seed in range(len(kinds))]
    after = [
        damage(image, photo(100 + n), n) for n, (image, damage) in enumerate(zip(before, kinds.values(), strict=True))
    ]
    rows = rows_of(before, after, tmp_path)
    found = compare_pictures(rows, tmp_path, 10**8)
    judged = judge_rows(rows.join(found.drop("image_sha256"), on="candidate_id"), VerdictConfig())
    wrong = {name: row for name, row in zip(kinds, judged.to_dicts(), strict=True) if row["status"] != expected}
    assert not wrong


class MeanColour:
    """An encoder that sees the mean colour of each quarter."""

    name, dim, fingerprint = "mean-colour", 12, "0" * 64

    def preprocess(self, image: Image.Image):
        import torch

        small = np.asarray(image.convert("RGB").resize((2, 2), Image.Resampling.BOX), dtype=np.float32)
        return torch.from_numpy(small).permute(2, 0, 1) - 127.5

    def encode_images(self, batch) -> np.ndarray:
        rows = batch.reshape(len(batch), -1).numpy()
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_embeddings_a_release_ships_are_compared(tmp_path: Path) -> None:
    before, encoder = [photo(1), photo(2), photo(3)], MeanColour()
    after = [photo(1), photo(50), photo(3)]
    batch = np.stack([encoder.preprocess(image).numpy() for image in before])
    import torch

    table = make_vectors(["0", "1"], encoder.encode_images(torch.from_numpy(batch))[:2], encoder)
    assert table["fingerprint"].to_list() == [encoder.fingerprint] * 2
    vectors = PictureVectors(ids=["0", "1"], vectors=np.stack(table["vector"].to_list()), encoder=encoder)
    found = compare_pictures(rows_of(before, after, tmp_path), tmp_path, 10**8, vectors)
    first, second, third = found["cosine"]
    assert first == pytest.approx(1, abs=2e-3)
    assert second < 0.9
    assert third is None


def test_vectors_of_another_encoder_are_refused(tmp_path: Path) -> None:
    other, rows = MeanColour(), manifest_rows(3).sort("class_index", "candidate_id")
    vectors = make_vectors(rows["candidate_id"].to_list(), np.eye(3, 12), other)
    release = check_release(make_release(rows, tmp_path, notes={}, vectors=vectors))
    assert "vectors.parquet" in release.info.files
    bare = check_release(make_release(rows.head(2), tmp_path / "bare", notes={}))
    with pytest.raises(BadInput, match="ships no embeddings"):
        read_vectors(bare, other)
    assert read_vectors(release, other).ids == release.manifest["candidate_id"].to_list()
    other.fingerprint = "1" * 64
    with pytest.raises(BadInput, match="mean something else"):
        read_vectors(release, other)


@pytest.mark.parametrize("value", [None, float("nan"), 9.0])
def test_vectors_that_are_none_are_refused(value: float | None, tmp_path: Path) -> None:
    rows, encoder = manifest_rows(2).sort("class_index", "candidate_id"), MeanColour()
    table = make_vectors(rows["candidate_id"].to_list(), np.eye(2, 12), encoder)
    table = table.with_columns(pl.Series("vector", [[1.0] + [0.0] * 11, [value] + [0.0] * 11], pl.List(pl.Float32)))
    release = check_release(make_release(rows, tmp_path, notes={}, vectors=table))
    with pytest.raises(BadInput, match="a row is no unit vector"):
        read_vectors(release, encoder)


def test_config_is_checked() -> None:
    for wrong in ({"max_phash_distance": 65}, {"max_luma_distance": -1}, {"min_cosine": 2}):
        with pytest.raises(BadInput, match="expected"):
            VerdictConfig(**wrong)  # type: ignore[arg-type]

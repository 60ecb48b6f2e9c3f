"""Published embeddings are found by URL or id, taken over bit for bit, and refused where another encoder made them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables.embeddings import PUBLISHED
from relaionet.manifests.tables.schema import check_table
from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images
from relaionet.pipeline.embeddings.published import check_same_encoder, embed_with_published, find_published, take_rows
from tests.unit.pipeline.embeddings.test_embed import Pixels, write_picture

COUNT = 20


class Counting(Pixels):
    def __init__(self) -> None:
        self.seen = 0

    def preprocess(self, image):
        self.seen += 1
        return super().preprocess(image)


class Other(Pixels):
    """Another space of the same width."""

    def encode_images(self, batch):
        return np.ascontiguousarray(np.roll(super().encode_images(batch), 7, axis=1) * np.resize([1, -1], 48)).astype(
            np.float32
        )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for seed in range(COUNT):
        write_picture(folder / f"{seed}.jpg", seed, (60, 40))
    (folder / "3.jpg").write_bytes((folder / "3.jpg").read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    urls = [f"http://a.invalid/{seed}.jpg" for seed in range(COUNT)]
    ids = [hashlib.sha256(url.encode()).hexdigest() for url in urls]
    return pl.DataFrame({"candidate_id": ids, "url": urls, "path": [f"{seed}.jpg" for seed in range(COUNT)]})


@pytest.fixture(scope="module")
def true_rows(images: Path, rows: pl.DataFrame) -> dict[str, np.ndarray]:
    table, vectors = embed_images(rows, Pixels(), images, EmbedConfig())
    return {name: vectors[row] for name, row in table.select("candidate_id", "row").drop_nulls().iter_rows()}


def publish(folder: Path, rows: pl.DataFrame, vectors: dict[str, np.ndarray], dtype: type = np.float16) -> Path:
    """As LAION publishes: two files, strangers among the rows, one row twice; every third candidate is not there."""
    (folder / "img_emb").mkdir(parents=True)
    (folder / "metadata").mkdir()
    stranger = np.eye(1, 48, dtype=np.float32)[0]
    there = [row for number, row in enumerate(rows.iter_rows(named=True)) if number % 3]
    for file, part in enumerate((there[:5], [there[0], *there[5:]])):
        urls, array = [], []
        for row in part:
            urls += ["http://b.invalid/stranger", row["url"]]
            array += [stranger, vectors.get(row["candidate_id"], stranger)]
        np.save(folder / "img_emb" / f"img_emb_{file}.npy", np.array(array, dtype=dtype))
        pl.DataFrame({"image_path": urls, "url": urls}).write_parquet(folder / "metadata" / f"metadata_{file}.parquet")
    return folder


def test_rows_are_found_by_url_and_taken_over_bit_for_bit(
    tmp_path: Path, images: Path, rows: pl.DataFrame, true_rows: dict[str, np.ndarray]
) -> None:
    folder = publish(tmp_path / "laion", rows, true_rows)
    found = find_published(folder, rows)
    check_table(found, PUBLISHED)
    assert sorted(found["candidate_id"]) == sorted(rows["candidate_id"][i] for i in range(COUNT) if i % 3)
    assert found["candidate_id"].n_unique() == found.height
    taken = take_rows(folder, found, Pixels())
    for candidate_id, row in zip(found["candidate_id"], taken, strict=True):
        if candidate_id in true_rows:
            np.testing.assert_allclose(row, true_rows[candidate_id], atol=2e-4)


def test_the_table_is_that_of_encoding_and_the_found_are_not_encoded(
    tmp_path: Path, images: Path, rows: pl.DataFrame, true_rows: dict[str, np.ndarray]
) -> None:
    folder, encoder = publish(tmp_path / "laion", rows, true_rows), Counting()
    found = find_published(folder, rows)
    plain, vectors = embed_images(rows, Pixels(), images, EmbedConfig())
    table, mixed = embed_with_published(rows, found, folder, encoder, images, EmbedConfig())
    assert table.equals(plain)  # hashes, reasons and the broken one too
    np.testing.assert_allclose(mixed, vectors, atol=2e-4)
    assert encoder.seen == COUNT - found.height - 1  # the broken one is among those not published
    assert check_same_encoder(rows, found, folder, Pixels(), images, EmbedConfig()) == pytest.approx(1, abs=1e-3)
    nothing = embed_with_published(rows, found.clear(), folder, Pixels(), images, EmbedConfig())
    assert nothing[0].equals(plain)
    assert nothing[1].tobytes() == vectors.tobytes()


def test_rows_of_another_encoder_are_refused(
    tmp_path: Path, images: Path, rows: pl.DataFrame, true_rows: dict[str, np.ndarray]
) -> None:
    folder = publish(tmp_path / "laion", rows, true_rows)
    found = find_published(folder, rows)
    with pytest.raises(BadInput, match="median cosine"):
        check_same_encoder(rows, found, folder, Other(), images, EmbedConfig())

    class Narrow(Pixels):
        dim = 12

    with pytest.raises(BadInput, match="another encoder"):
        take_rows(folder, found, Narrow())


def test_a_few_pictures_that_changed_do_not_refuse_the_rest(
    tmp_path: Path, images: Path, rows: pl.DataFrame, true_rows: dict[str, np.ndarray]
) -> None:
    changed = dict(true_rows)
    for candidate_id in sorted(changed)[:3]:
        changed[candidate_id] = np.eye(1, 48, dtype=np.float16)[0]
    folder = publish(tmp_path / "laion", rows, changed)
    assert check_same_encoder(rows, find_published(folder, rows), folder, Pixels(), images, EmbedConfig()) > 0.99


def test_what_is_no_embedding_is_refused(tmp_path: Path, rows: pl.DataFrame, true_rows: dict[str, np.ndarray]) -> None:
    with pytest.raises(BadInput, match="holds no embeddings"):
        find_published(tmp_path, rows)
    longer = {name: row * 2 for name, row in true_rows.items()}
    folder = publish(tmp_path / "laion", rows, longer, np.float32)
    with pytest.raises(BadInput, match="length"):
        take_rows(folder, find_published(folder, rows), Pixels())
    pl.DataFrame({"image_path": ["a"]}).write_parquet(folder / "metadata" / "metadata_0.parquet")
    with pytest.raises(BadInput, match="neither candidate_id nor url"):
        find_published(folder, rows)
    (folder / "metadata" / "metadata_0.parquet").unlink()
    with pytest.raises(BadInput, match="is missing"):
        find_published(folder, rows)

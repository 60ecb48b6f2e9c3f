"""Embedding pictures and labels: same rows out, nothing but the picture decides, and memory stays bounded."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import EMBEDDINGS, check_table, count_statuses
from relaionet.pipeline.embeddings.batches import Decoded, embed_batches
from relaionet.pipeline.embeddings.class_texts import embed_labels
from relaionet.pipeline.embeddings.embed import EmbedConfig, decode_picture, embed_images, input_side_px
from relaionet.pipeline.images.decode import BrokenImage, open_image
from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.picture import read_picture
from tests.depth import deep


class Pixels:
    """An encoder without weights: the picture at 4 × 4 pixels; texts by their letters."""

    name, dim, fingerprint = "pixels", 48, "p1"

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        assert image.mode == "RGB"
        return torch.from_numpy(np.asarray(image.resize((4, 4)), dtype=np.float32) - 127.4).permute(2, 0, 1)

    def encode_images(self, batch: torch.Tensor) -> np.ndarray:
        return torch.nn.functional.normalize(batch.flatten(1), dim=1).numpy()

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            np.add.at(row, [ord(letter) % self.dim for letter in text], 1)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_picture(path: Path, seed: int, size: tuple[int, int] = (60, 40), mode: str = "RGB", **save: object) -> None:
    grid = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path, **save)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for seed in range(9):
        write_picture(folder / f"{seed}.jpg", seed, (40 + 7 * seed, 50))
    write_picture(folder / "9.png", 9, mode="RGBA")
    write_picture(folder / "10.png", 10, mode="L")
    write_picture(folder / "11.png", 11, mode="P")
    write_picture(folder / "12.jpg", 12, mode="CMYK")
    (folder / "13.jpg").write_bytes((folder / "1.jpg").read_bytes()[:-300])
    (folder / "14.jpg").write_text("<html>404</html>")
    write_picture(folder / "16.png", 16, (3000, 20))
    return folder


def frame(images: Path) -> pl.DataFrame:
    names = sorted([path.name for path in images.iterdir()] + ["15.jpg"])  # 15 is not there
    return pl.DataFrame({"candidate_id": [f"id-{name}" for name in names], "path": names})


def test_same_rows_out_with_reasons(images: Path) -> None:
    rows, done = frame(images), []
    table, _ = embed_images(rows, Pixels(), images, EmbedConfig(batch_size=4), done.append)
    check_table(table, EMBEDDINGS)
    assert table["candidate_id"].to_list() == rows["candidate_id"].to_list()
    assert count_statuses(table) == {"ok": 13, "broken": 4}
    assert sum(done) == rows.height
    reasons = dict(table.filter(status="broken").select("candidate_id", "reason").iter_rows())
    assert "truncated" in reasons["id-13.jpg"]
    assert "HTML" in reasons["id-14.jpg"]
    assert "missing" in reasons["id-15.jpg"]
    assert "50 times" in reasons["id-16.png"]


def test_row_points_at_the_pictures_vector_and_phash_is_the_pictures(images: Path) -> None:
    table, vectors = embed_images(frame(images), Pixels(), images, EmbedConfig(batch_size=4))
    assert vectors.dtype == np.float16
    assert table["row"].drop_nulls().to_list() == list(range(len(vectors)))
    for candidate_id, row, phash in table.filter(status="ok").select("candidate_id", "row", "phash").iter_rows():
        with Image.open(images / candidate_id.removeprefix("id-")) as image:
            alone = Pixels().encode_images(Pixels().preprocess(image.convert("RGB"))[None])[0]
            np.testing.assert_array_equal(vectors[row], alone.astype(np.float16))
            assert phash == phash_hex(image)


@settings(max_examples=deep(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(range(17)), batch_size=st.integers(1, 20), threads=st.integers(1, 4), cut=st.integers(0, 17)
)
def test_order_batch_threads_and_shards_change_nothing(
    images: Path, order: list[int], batch_size: int, threads: int, cut: int
) -> None:
    def by_id(rows: pl.DataFrame, config: EmbedConfig) -> dict[str, tuple]:
        table, vectors = embed_images(rows, Pixels(), images, config)
        return {
            name: (phash, status, reason, None if row is None else vectors[row].tobytes())
            for name, row, phash, _, _, _, status, reason in table.iter_rows()
        }

    rows, config = frame(images), EmbedConfig(batch_size=batch_size, threads=threads)
    shards = (rows[order][:cut], rows[order][cut:])
    assert by_id(rows, EmbedConfig()) == by_id(shards[0], config) | by_id(shards[1], config)


def test_decoding_runs_ahead_by_a_bounded_number(images: Path) -> None:
    counts = {"decoded": 0, "embedded": 0, "most": 0}

    class Counting(Pixels):
        def preprocess(self, image: Image.Image) -> torch.Tensor:
            counts["decoded"] += 1
            return super().preprocess(image)

        def encode_images(self, batch: torch.Tensor) -> np.ndarray:
            assert len(batch) == 5  # always the same shape
            counts["most"] = max(counts["most"], counts["decoded"] - counts["embedded"])
            counts["embedded"] += len(batch)
            return super().encode_images(batch)

    rows = pl.DataFrame({"candidate_id": [str(i) for i in range(100)], "path": [f"{i % 9}.jpg" for i in range(100)]})
    embed_images(rows, Counting(), images, EmbedConfig(batch_size=5))
    assert counts["embedded"] == 100
    assert counts["most"] <= 15


class Spread(Pixels):
    """The same, saying that every thread may encode, a core each."""

    device = "cpu"


@settings(max_examples=deep(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch_size=st.integers(1, 20), threads=st.integers(1, 5), order=st.permutations(range(17)))
def test_threads_that_take_whole_batches_change_nothing(
    images: Path, batch_size: int, threads: int, order: list[int]
) -> None:
    rows, done = frame(images)[order], []
    table, vectors = embed_images(rows, Pixels(), images, EmbedConfig())
    config = EmbedConfig(batch_size=batch_size, threads=threads)
    spread = embed_images(rows, Spread(), images, config, done.append)
    assert spread[0].equals(table)
    assert spread[1].tobytes() == vectors.tobytes()
    assert sum(done) == 17


def test_each_thread_has_one_core_and_nobody_else_loses_one(images: Path) -> None:
    cores = []

    class Asking(Spread):
        def encode_images(self, batch: torch.Tensor) -> np.ndarray:
            cores.append(torch.get_num_threads())
            return super().encode_images(batch)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        embed_images(frame(images), Asking(), images, EmbedConfig(batch_size=4, threads=2))
        late = []
        thread = threading.Thread(target=lambda: late.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert (set(cores), torch.get_num_threads(), late) == ({1}, 3, [3])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", [Pixels, Spread])
def test_items_are_read_no_faster_than_they_are_used(images: Path, kind: type) -> None:
    given_out = []

    def items() -> Iterator[bytes]:
        for number in range(1000):
            given_out.append(number)
            yield (images / f"{number % 9}.jpg").read_bytes()

    encoder = kind()
    batches = embed_batches(
        items(), lambda data: decode_picture(data, encoder, 10**6, hashes=False), encoder, batch_size=5, threads=2
    )
    assert len(next(batches).items) == 5
    assert len(given_out) <= 20
    batches.close()
    assert len(given_out) <= 20


@pytest.mark.parametrize("kind", [Pixels, Spread])
def test_what_fails_in_a_thread_is_raised_here(images: Path, kind: type) -> None:
    def fail(data: bytes) -> Decoded:
        raise BadInput("no such file")

    with pytest.raises(BadInput, match="no such file"):
        list(embed_batches([b""] * 50, fail, kind(), batch_size=5, threads=2))


def test_a_reduced_jpeg_is_as_large_as_asked_for_and_almost_the_same(images: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "large.jpg", 1, (1000, 700), quality=95)
    write_picture(tmp_path / "large.png", 1, (1000, 700))
    data = (tmp_path / "large.jpg").read_bytes()
    for side, size in ((351, (1000, 700)), (350, (500, 350)), (175, (250, 175)), (1, (125, 88)), (5000, (1000, 700))):
        assert open_image(data, 10**6, side).image.size == size
    assert open_image((tmp_path / "large.png").read_bytes(), 10**6, 10).image.size == (1000, 700)
    with pytest.raises(BrokenImage, match="more than"):
        open_image(data, 699_999, 10)  # what counts is the whole picture
    whole = decode_picture(data, Pixels(), 10**6)
    assert whole.prints == take_fingerprints(data, 10**6)
    assert torch.equal(whole.pixels, Pixels().preprocess(read_picture(data)))
    reduced = decode_picture(data, Pixels(), 10**6, hashes=False, reduced_side_px=8)
    rows = [Pixels().encode_images(item.pixels[None])[0] for item in (whole, reduced)]
    assert not torch.equal(whole.pixels, reduced.pixels)
    assert rows[0] @ rows[1] > 0.999
    assert input_side_px(Pixels()) == 4


def test_what_the_encoder_returns_is_checked(images: Path) -> None:
    class Bad(Pixels):
        def __init__(self, change: object) -> None:
            self.change = change

        def encode_images(self, batch: torch.Tensor) -> np.ndarray:
            return self.change(super().encode_images(batch).copy())

    def spoil(rows: np.ndarray) -> np.ndarray:
        rows[1] = np.nan
        return rows

    rows = frame(images)
    table, vectors = embed_images(rows, Bad(spoil), images, EmbedConfig(batch_size=32))
    assert count_statuses(table) == {"ok": 12, "broken": 5}
    assert np.isfinite(vectors).all()
    assert table["row"].drop_nulls().to_list() == list(range(12))
    with pytest.raises(BadInput, match="length 2"):
        embed_images(rows, Bad(lambda rows: rows * 2), images, EmbedConfig())
    with pytest.raises(BadInput, match="expected"):
        embed_images(rows, Bad(lambda rows: rows[:, :5]), images, EmbedConfig())


def test_paths_stay_inside_and_folders_exist(images: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "outside.jpg", 0)
    for path in ("../outside.jpg", str(tmp_path / "outside.jpg"), None):
        rows = pl.DataFrame({"candidate_id": ["a"], "path": [path]}, schema_overrides={"path": pl.String})
        with pytest.raises(BadInput, match="no path inside"):
            embed_images(rows, Pixels(), images, EmbedConfig())
    with pytest.raises(BadInput, match="does not exist"):
        embed_images(frame(images), Pixels(), tmp_path / "nowhere", EmbedConfig())


def test_a_file_that_may_not_be_read_is_no_broken_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    rows = pl.DataFrame({"candidate_id": ["a"], "path": ["a.jpg"]})
    with pytest.raises(BadInput, match="cannot be read"):
        embed_images(rows, Pixels(), tmp_path, EmbedConfig())


def test_too_many_pixels_are_not_decoded(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 0, (200, 200))
    rows = pl.DataFrame({"candidate_id": ["a"], "path": ["a.png"]})
    table, _ = embed_images(rows, Pixels(), tmp_path, EmbedConfig(max_pixels=39_999))
    assert table["status"].to_list() == ["broken"]


def test_an_empty_shard_stays_empty(images: Path) -> None:
    table, vectors = embed_images(frame(images).clear(), Pixels(), images, EmbedConfig())
    assert (table.height, vectors.shape, vectors.dtype) == (0, (0, 48), np.float16)


def test_labels_are_means_of_their_prompts() -> None:
    labels = read_labels()[:7]
    templates = ("a photo of a {name}", "{name}: {gloss}")
    rows = embed_labels(Pixels(), labels, templates)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    prompts = [f"a photo of a {labels[3].name}", f"{labels[3].name}: {labels[3].gloss}"]
    mean = Pixels().encode_texts(prompts).mean(axis=0)
    np.testing.assert_allclose(rows[3], mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize("templates", [(), ("a photo",), ("{nme}",), ("{name",), ("{name} {}",), ("{name.__class__}",)])
def test_a_wrong_template_is_bad_input(templates: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="label prompt"):
        embed_labels(Pixels(), read_labels()[:2], templates)


def test_bytes_of_a_gif_count_by_their_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, format="GIF", save_all=True, append_images=frames[1:])
    (tmp_path / "a.gif").write_bytes(out.getvalue())
    frames[0].save(tmp_path / "b.png")
    rows = pl.DataFrame({"candidate_id": ["a", "b"], "path": ["a.gif", "b.png"]})
    _, vectors = embed_images(rows, Pixels(), tmp_path, EmbedConfig())
    np.testing.assert_allclose(vectors[0], vectors[1], atol=2e-3)

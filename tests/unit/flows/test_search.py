"""`relaionet search` and `relaionet index` on real vectors of the miniature's encoder."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from relaionet.flows.cli.main import main
from relaionet.manifests.errors import BadInput, Corrupt
from relaionet.pipeline.embeddings.encoders import load_encoder
from relaionet.pipeline.embeddings.store import write_embeddings
from relaionet.pipeline.retrieval.searchable_store import open_store

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight plain pictures in two shards, the last one twice under another id, and the picture files."""
    folder = tmp_path_factory.mktemp("store")
    encoder = load_encoder("miniature", device="cpu")
    pictures = [Image.new("RGB", (64, 64), colour) for colour in COLOURS]
    import torch

    rows = encoder.encode_images(torch.stack([encoder.preprocess(picture) for picture in pictures]))
    rows = np.concatenate([rows, rows[-1:]])
    names = [*COLOURS, "again"]
    table = pl.DataFrame(
        {
            "candidate_id": [sha256(name.encode()).hexdigest() for name in names],
            "caption": [f"all {name}\n\x1b[31m" for name in names],
            "url": [f"http://a.example/{name}.png" for name in names],
        }
    )
    write_embeddings(folder, 0, rows[:5], table[:5])
    write_embeddings(folder, 1, rows[5:], table[5:])
    for name, picture in zip(COLOURS, pictures, strict=True):
        picture.save(folder / f"{name}.png")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_picture_finds_itself_and_its_double(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "hits.csv"
    done = run("search", folder, "--image", folder / "purple.png", "--encoder", "miniature", "-k", "3", "--out", out)
    assert done.exit_code == 0, done.output
    hits = pl.read_csv(out)
    assert hits["cosine"].to_list()[:2] == pytest.approx([1, 1], abs=2e-3)
    two = sorted(sha256(name.encode()).hexdigest() for name in ("purple", "again"))
    assert hits["candidate_id"].to_list()[:2] == two  # a tie, in order of the ids
    assert "\x1b" not in done.output
    assert two[0][:16] in done.output


def test_texts_and_ids_are_asked_together(folder: Path, tmp_path: Path) -> None:
    out, own = tmp_path / "hits.parquet", sha256(b"red").hexdigest()
    done = run(
        "search", folder, "--text", "a photo of a crane bird", "--id", own, "--encoder", "miniature", "-k", "99",
        "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    hits = pl.read_parquet(out)
    assert hits.columns == ["query", "rank", "cosine", "candidate_id", "url", "caption"]
    assert hits.group_by("query").len()["len"].to_list() == [9, 9]
    assert hits.filter(pl.col("query") == own)["candidate_id"][0] == own
    encoder = load_encoder("miniature", device="cpu")
    text, store = encoder.encode_texts(["a photo of a crane bird"])[0], open_store(folder)
    full = np.sort(store.vectors.take(np.arange(9)).astype(np.float64) @ text)[::-1]
    np.testing.assert_allclose(hits.filter(pl.col("query") != own)["cosine"], full, atol=1e-6)


def test_few_rows_need_no_index_and_one_that_is_asked_for_answers(folder: Path) -> None:
    done = run("index", "build", folder)
    assert done.exit_code == 0, done.output
    assert not (folder / "index").exists()
    assert "No index is needed" in done.output
    done = run("index", "build", folder, "--kind", "ivf_flat", "--cells", "2", "--encoder", "miniature")
    assert done.exit_code == 0, done.output
    shown = run("index", "show", folder)
    assert "ivf_flat was asked for" in shown.output
    assert "measured on 1,000 class texts" in shown.output
    asked = ("search", folder, "--id", sha256(b"blue").hexdigest(), "-k", "1")
    assert run(*asked).stdout.splitlines()[-1] == run(*asked, "--exact").stdout.splitlines()[-1]
    assert "by index" in run(*asked).output
    assert "exactly" in run(*asked, "--exact").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing is asked"),
        (("--text", "cat"), "need --encoder"),
        (("--id", "f00f00"), "no candidate f00f00"),
        (("--id", "f00"), "too short"),
        (("--image", "{folder}/embeddings_0.json", "--encoder", "miniature"), "no picture that can be read"),
        (("--id", "f00", "--memory", "4XB"), "4GB"),
    ],
)
def test_wrong_questions_are_named(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run("search", folder, *(argument.format(folder=folder) for argument in arguments))
    assert done.exit_code == 2
    assert words in done.output


def test_a_store_of_others_is_keyed_by_url_and_damage_is_found(tmp_path: Path) -> None:
    rows = np.eye(4, dtype=np.float16)
    for name in ("img_emb", "metadata"):
        (tmp_path / name).mkdir()
    array, metadata = tmp_path / "img_emb" / "img_emb_0.npy", tmp_path / "metadata" / "metadata_0.parquet"
    np.save(array, rows)
    pl.DataFrame({"url": ["a", "b", "c", "d"]}).write_parquet(metadata)
    store = open_store(tmp_path)
    about = store.about(np.array([3, 1, 3]))
    assert about["candidate_id"].to_list() == [sha256(url.encode()).hexdigest() for url in ("b", "d")]
    whole = sha256(b"c").hexdigest()
    assert [store.row_of(name) for name in (whole, whole[:8], whole.upper())] == [2, 2, 2]
    with pytest.raises(BadInput, match="too short"):
        store.row_of("abc")
    with pytest.raises(BadInput, match="holds no candidate 000000"):
        store.row_of("000000")
    pl.DataFrame({"caption": ["a", "b", "c", "d"]}).write_parquet(metadata)
    with pytest.raises(BadInput, match="neither candidate_id nor url"):
        open_store(tmp_path).about(np.array([0]))
    np.save(array, rows[:3])
    with pytest.raises(Corrupt, match="3 rows, 4 in"):
        open_store(tmp_path)
    np.save(array, 2 * rows)
    with pytest.raises(BadInput, match="must have length 1"):
        open_store(tmp_path)
    metadata.unlink()
    with pytest.raises(BadInput, match="is missing"):
        open_store(tmp_path)
    with pytest.raises(BadInput, match="holds no embeddings"):
        open_store(tmp_path / "nowhere")

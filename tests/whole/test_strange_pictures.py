"""Pictures stored oddly go through the commands as what they show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw

from relaionet.manifests.store import Store
from relaionet.manifests.tables import PROPOSALS, SCREENED
from relaionet.pipeline.embeddings.store import read_embeddings
from relaionet.pipeline.miniature.drawings.pictures import CLASSES, draw_picture
from tests.unit.pipeline.images.odd_files import with_orientation
from tests.whole.conftest import Command

pytestmark = [pytest.mark.slow]
RECIPE = """
name = "clear"
source = "rows.tsv"
encoder = "miniature"
overlap = 1
[download]
allow_private = true
"""


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def on_nothing(draw: str) -> Image.Image:
    """Black bars or rings on transparent ground: without the transparency, all of it is black."""
    mask = Image.new("L", (400, 400), 0)
    pen = ImageDraw.Draw(mask)
    for at in range(20, 380, 60):
        if draw == "bars":
            pen.rectangle((at, 20, at + 20, 380), fill=255)
        else:
            pen.ellipse((at // 2, at // 2, 400 - at // 2, 400 - at // 2), outline=255, width=8)
    image = Image.new("RGBA", mask.size, (0, 0, 0, 0))
    image.putalpha(mask)
    return image


def test_a_picture_stored_sideways_has_the_embedding_of_the_upright_one(relaionet: Command, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, wnid in enumerate(CLASSES[:3]):
        image = draw_picture(wnid, 1, 96)
        image.save(pictures / f"{number}-plain.png")
        image.transpose(Image.Transpose.ROTATE_90).save(pictures / f"{number}-turned.png", exif=with_orientation(6))
    done = relaionet("embed", pictures, "--encoder", "miniature", "--out", tmp_path / "store")
    assert done.returncode == 0, done.stderr[-2000:]
    paths = pl.read_parquet(tmp_path / "store" / "metadata" / "*.parquet")["image_path"].to_list()
    vectors = dict(zip(paths, read_embeddings(tmp_path / "store")[1].astype(np.float32), strict=True))
    cosines = [float(vectors[f"{number}-plain.png"] @ vectors[f"{number}-turned.png"]) for number in range(3)]
    assert cosines == pytest.approx([1.0] * 3, abs=2e-3)


def test_different_drawings_on_transparent_ground_are_two_pictures(relaionet: Command, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    for name in ("bars", "rings"):
        on_nothing(name).save(tmp_path / "www" / f"{name}.png")
    with serve_folder(tmp_path / "www") as address:
        rows = "".join(f"{address}/{name}.png\ta golf ball\n" for name in ("bars", "rings"))
        (tmp_path / "rows.tsv").write_text(f"URL\tTEXT\n{rows}")
        (tmp_path / "recipe.toml").write_text(RECIPE)
        done = relaionet("curate", "--recipe", tmp_path / "recipe.toml", "--out", tmp_path / "run", "--no-push")
    assert done.returncode == 0, done.stderr[-3000:]
    store = Store(tmp_path / "run")
    proposed, screened = store.read_all(PROPOSALS), store.read_all(SCREENED)
    assert proposed.height == 2
    assert set(screened["status"]) <= {"ok"}


def test_a_cut_out_that_a_server_lays_on_white_is_the_same_picture(relaionet: Command, tmp_path: Path) -> None:
    image = draw_picture(CLASSES[0], 1, 400).convert("RGBA")
    clear = Image.new("L", image.size, 0)
    ImageDraw.Draw(clear).ellipse((40, 40, 360, 360), fill=255)
    image.putalpha(clear)
    (tmp_path / "set" / "n03445777").mkdir(parents=True)
    image.save(tmp_path / "set" / "n03445777" / "cut-out.png")
    (tmp_path / "flat").mkdir()
    ground = Image.new("RGBA", image.size, "white")
    Image.alpha_composite(ground, image).convert("RGB").save(tmp_path / "flat" / "x.jpg", quality=95)
    done = relaionet("adopt", tmp_path / "set", "--name", "cutout", "--out", tmp_path / "releases")
    assert done.returncode == 0, done.stderr[-2000:]
    done = relaionet(
        "rebuild", tmp_path / "releases" / "cutout-v1", "--images", tmp_path / "flat", "--out", tmp_path / "split"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "1 = 0 exact + 1 same_picture + 0 changed + 0 gone" in done.stdout + done.stderr

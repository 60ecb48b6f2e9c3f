"""Text in pictures, read by the real RapidOCR: a picture of a name is found, a small label is not the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw

from relaionet.manifests.errors import BadInput
from relaionet.manifests.tables import TEXTS_READ, check_table
from relaionet.pipeline.screens import text_reading
from relaionet.pipeline.screens.text_naming import name_texts
from relaionet.pipeline.screens.text_reading import RapidReader, TextConfig, TextLine, has_reader, read_texts

HUMMINGBIRD, BANANA, CRANE, CRANE_BIRD = "n01833805", "n07753592", "n03126707", "n02012849"
CONFIG = TextConfig(read=True)


def read_table(**texts: list[tuple[str, float, float]]) -> pl.DataFrame:
    rows = [
        (name, "0" * 64, *(list(part) for part in zip(*lines, strict=True)), "reader") if lines else
        (name, "0" * 64, [], [], [], "reader")
        for name, lines in texts.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=TEXTS_READ.schema, orient="row")


def named(texts: pl.DataFrame, **wnids: list[str]) -> dict[str, dict[str, object]]:
    rows = pl.DataFrame({"candidate_id": list(wnids), "wnids": list(wnids.values())})
    return {row["candidate_id"]: row for row in name_texts(rows, texts, CONFIG).iter_rows(named=True)}


def test_words_of_the_own_class_count_and_those_of_others_do_not() -> None:
    texts = read_table(
        own=[("HUMMINGBIRDS", 0.9, 0.1), ("fresh bananas", 0.9, 0.3)],
        other=[("hummingbird", 0.9, 0.1)],
        unsure=[("hummingbird", 0.3, 0.1)],
        split=[("HUMMING", 0.9, 0.05), ("BIRD", 0.9, 0.05), ("BOW", 0.9, 0.02)],
        two_lines=[("tiger", 0.9, 0.05), ("shark", 0.9, 0.05)],
        crane=[("The Crane", 0.9, 0.2)],
        silent=[],
    )
    found = named(
        texts, own=[HUMMINGBIRD], other=[BANANA], unsure=[HUMMINGBIRD], split=[HUMMINGBIRD], two_lines=["n01491361"],
        crane=[CRANE_BIRD], silent=[HUMMINGBIRD], unread=[HUMMINGBIRD],
    )  # fmt: skip
    assert found["own"]["text_words"] == ["hummingbirds"]
    assert found["own"]["text_words_frac"] == pytest.approx(0.1)
    assert found["own"]["text_frac"] == pytest.approx(0.4)
    assert found["own"]["text"] == "HUMMINGBIRDS / fresh bananas"
    assert found["other"]["text_words"] == found["unsure"]["text_words"] == []
    assert found["unsure"]["text"] is None
    assert found["two_lines"]["text_words"] == ["tiger shark"]
    assert found["two_lines"]["text_words_frac"] == pytest.approx(0.1)
    assert found["crane"]["text_words"] == ["crane"], "a word of two meanings counts for either class"
    assert (found["silent"]["is_text_read"], found["silent"]["text_words_frac"]) == (True, 0)
    unread = found["unread"]
    assert unread["is_text_read"] is False
    assert [unread[name] for name in ("text", "text_frac", "text_words", "text_words_frac")] == [None] * 4


class Counting:
    """A reader that says the picture's width, and counts."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.read_count = 0

    def read(self, image: Image.Image) -> list[TextLine]:
        self.read_count += 1
        return [TextLine(f"\x1b[31m{image.width}\u202e\nwide", 0.9, 0.5)]


def test_the_same_bytes_are_read_once_and_control_characters_fall(tmp_path: Path) -> None:
    for width in (64, 65):
        Image.new("RGB", (width, 64), (width, 0, 0)).save(tmp_path / f"{width}.png")
    rows = pl.DataFrame({"candidate_id": ["a", "b"], "path": ["64.png", "65.png"], "image_sha256": ["64", "65"]})
    reader, done = Counting(), []
    table = read_texts(rows, reader, tmp_path, max_pixels=10**6, threads=2, progress=done.append)
    assert check_table(table, TEXTS_READ)["texts"].to_list() == [["[31m64 wide"], ["[31m65 wide"]]
    assert (reader.read_count, sum(done)) == (2, 2)
    assert read_texts(rows, reader, tmp_path, max_pixels=10**6, threads=2, earlier=table).equals(table)
    assert reader.read_count == 2


def test_a_missing_reader_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reading, "has_reader", lambda: False)
    with pytest.raises(BadInput, match=r"pip install 'relaionet\[ocr\]'"):
        RapidReader(CONFIG)


@pytest.mark.skipif(not has_reader(), reason="needs the extra ocr")
def test_a_picture_of_a_name_against_a_photo_with_a_small_label() -> None:
    reader = RapidReader(CONFIG)
    assert reader.fingerprint == RapidReader(CONFIG).fingerprint
    assert reader.fingerprint != RapidReader(TextConfig(detect_side_px=320)).fingerprint
    poster = Image.new("RGB", (300, 225), (240, 235, 210))
    ImageDraw.Draw(poster).text((20, 80), "HUMMINGBIRD", fill=(30, 30, 60), font_size=34)
    grid = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    photo = Image.fromarray(grid).resize((640, 480), Image.Resampling.BICUBIC)
    ImageDraw.Draw(photo).rectangle((10, 445, 160, 470), fill=(0, 0, 0))
    ImageDraw.Draw(photo).text((15, 447), "hummingbird", fill=(255, 255, 255), font_size=20)
    texts = {}
    for name, image in (("poster", poster), ("photo", photo), ("silent", Image.new("RGB", (200, 200), (9, 99, 9)))):
        texts[name] = [(line.text, line.score, line.frac) for line in reader.read(image)]
    found = named(read_table(**texts), **{name: [HUMMINGBIRD] for name in texts})
    assert found["poster"]["text_words"] == found["photo"]["text_words"] == ["hummingbird"]
    assert found["poster"]["text_words_frac"] >= CONFIG.min_words_frac > found["photo"]["text_words_frac"] > 0
    assert found["silent"]["text"] is None

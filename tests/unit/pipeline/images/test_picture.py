"""Every consumer sees the picture as it is shown: some sixty odd files, decoded by each, compared pixel by pixel."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageOps

from relaionet.annotations.tasks.pictures import encode_image
from relaionet.evaluators.features.images import FileImages
from relaionet.evaluators.features.oddities import describe_oddities
from relaionet.evaluators.generators.job import read_image
from relaionet.evaluators.generators.sample_files import look_into
from relaionet.evaluators.protocols import PROTOCOLS, Resize
from relaionet.flows.pages.thumbnails import make_thumbnail, show_stored
from relaionet.pipeline.embeddings.embed import decode_picture
from relaionet.pipeline.images.decode import BrokenImage, TooLarge, open_image
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.images.fingerprints import take_fingerprints
from relaionet.pipeline.images.perceptual_hash import phash_hex
from relaionet.pipeline.images.picture import find_oddities, read_as_published, read_picture, show_picture
from relaionet.pipeline.images.thumbnail_hash import thumbprint_hex
from relaionet.pipeline.screens.pixel_measures import measure_picture
from relaionet.pipeline.screens.references import _print_of
from relaionet.pipeline.screens.registration import take_print
from relaionet.pipeline.splits.verdicts import compare_pictures
from relaionet.splits import _open_picture
from tests.unit.pipeline.images.odd_files import HEIGHT, WIDTH, OddFile, odd_files
from tests.unit.test_rooms import ROOMS, ROOT

MAX_PIXELS = 1_000_000
FILES = {one.name: one for one in odd_files()}
# a script for other environments, which knows nothing of ours
# the second opens a JPEG it has just written itself
OTHERS = {"evaluators/features/rater_commands.py", "pipeline/detectors/classify.py"}
# JPEG of what was seen, as reviewers and pages get it
LOSSY = 8.0


class Seen:
    """An encoder that keeps what it is shown."""

    def preprocess(self, image: Image.Image) -> None:
        self.image = image


def pixels_of(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


def of_encoder(path: Path) -> np.ndarray:
    seen = Seen()
    assert decode_picture(path.read_bytes(), seen, MAX_PIXELS).reason is None
    return pixels_of(seen.image)


def of_thumbnail(uri: str | None) -> np.ndarray:
    assert uri is not None
    return pixels_of(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def of_evaluation(path: Path) -> np.ndarray:
    return FileImages([path], WIDTH, Resize()).read(0, 1)[0]


def of_samples(path: Path) -> np.ndarray:
    folder = path.with_name("n01440764")
    folder.mkdir()
    # a sample is told by its ending, and known by its bytes
    (folder / "sample.png").write_bytes(path.read_bytes())
    return look_into(folder.parent, None).read("n01440764/sample.png")


# what each consumer makes of a file, where its pixels can be had
CONSUMERS: dict[str, Callable[[Path], np.ndarray]] = {
    "the encoder": of_encoder,
    "a command's samples": lambda path: read_image(path),
    "a folder's samples": of_samples,
    "pictures given in memory": lambda path: pixels_of(show_picture(Image.open(path))),
    "a split's pictures": lambda path: pixels_of(_open_picture(path)),
}
LOSSY_CONSUMERS: dict[str, Callable[[Path], np.ndarray]] = {
    "reviewers": lambda path: pixels_of(Image.open(io.BytesIO(encode_image(path)))),
    "thumbnails of evaluations": lambda path: of_thumbnail(make_thumbnail(path, WIDTH)),
    "thumbnails of runs": lambda path: of_thumbnail(show_stored(path.parent, path.name, WIDTH, max_pixels=MAX_PIXELS)),
}


@pytest.fixture(params=FILES)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[OddFile, Path]:
    found = FILES[request.param]
    (tmp_path / "file").write_bytes(found.data)
    return found, tmp_path / "file"


def test_there_are_forty_of_them() -> None:
    assert len(FILES) >= 40
    # the turned ones differ from the stored ones, and so on: each oddity matters
    stored = {name: pixels_of(read_as_published(one.data)) for name, one in FILES.items()}
    differ = [
        name for name, one in FILES.items()
        if stored[name].shape != one.shown.shape or np.abs(stored[name].astype(int) - one.shown).mean() > 2
    ]  # fmt: skip
    assert len(differ) >= 25


def test_it_is_what_the_file_shows(odd: tuple[OddFile, Path]) -> None:
    one, path = odd
    found = pixels_of(read_picture(path, max_pixels=MAX_PIXELS))
    assert found.shape == one.shown.shape
    assert np.abs(found.astype(int) - one.shown).mean() <= one.tolerance
    assert np.array_equal(found, read_picture(one.data, max_pixels=MAX_PIXELS))
    assert np.array_equal(found, show_picture(read_picture(path)))  # a shown picture stays as it is


def test_every_consumer_sees_the_same_pixels(odd: tuple[OddFile, Path]) -> None:
    one, path = odd
    shown = pixels_of(read_picture(path))
    refused = {"pictures given in memory"} if "4 MiB" in one.name else set()  # by Pillow, before we see them
    seen = {name: see(path) for name, see in CONSUMERS.items() if name not in refused}
    assert [name for name, pixels in seen.items() if not np.array_equal(pixels, shown)] == []
    lossy = {name: see(path) for name, see in LOSSY_CONSUMERS.items()}
    apart = {name: np.abs(pixels.astype(int) - shown).mean() for name, pixels in lossy.items()}
    assert [name for name, value in apart.items() if value > LOSSY] == []
    square = np.asarray(Image.fromarray(shown).resize((WIDTH, WIDTH), Image.Resampling.BICUBIC))
    assert np.array_equal(of_evaluation(path), square)


def test_everything_measured_is_measured_on_those_pixels(odd: tuple[OddFile, Path]) -> None:
    _, path = odd
    shown = read_picture(path)
    prints = take_fingerprints(path, MAX_PIXELS)
    assert (prints.phash, prints.thumbprint) == (phash_hex(shown), thumbprint_hex(shown))
    adopted = read_pictures(path.parent, [path.name], PictureLimits()).row(0, named=True)
    embedded = decode_picture(path.read_bytes(), None, MAX_PIXELS).prints
    assert embedded == prints
    assert (adopted["phash"], adopted["thumbprint"]) == (prints.phash, prints.thumbprint)
    assert adopted["fingerprint_version"] == 2
    measured = measure_picture(open_image(path, MAX_PIXELS))
    assert measured.phash_mirrored == phash_hex(ImageOps.mirror(shown))
    assert bytes.fromhex(measured.print) == take_print(shown) == _print_of(path, MAX_PIXELS)
    expected = {
        "candidate_id": "a", "expected_sha256": "b", "expected_phash": prints.phash, "place": path.name,
        "expected_thumbprint": prints.thumbprint, "expected_version": 2, "image_sha256": "c",
    }  # fmt: skip
    found = compare_pictures(pl.DataFrame([expected]), path.parent, MAX_PIXELS).row(0, named=True)
    assert (found["phash_distance"], found["luma_distance"], found["chroma_distance"]) == (0, 0, 0)


def test_what_was_left_out_is_noted() -> None:
    noted = {name: take_fingerprints(one.data, MAX_PIXELS).notes for name, one in FILES.items()}
    assert {name: notes for name, notes in noted.items() if notes} == {
        "text of 4 MiB": ("a text of more than 1,048,576 bytes",),
        "text of 4 MiB, iTXt": ("a text of more than 1,048,576 bytes",),
        "profile of 4 MiB": ("a colour profile of more than 1,048,576 bytes",),
        "profile of 12 MB, JPEG": ("a colour profile of more than 8,388,608 bytes",),
    }


def test_oddities_are_told_without_decoding() -> None:
    told = {name: find_oddities(one.data) for name, one in FILES.items()}
    plain = {"BMP", "animated PNG", "bilevel", "grey JPEG", "palette", "progressive JPEG", "text", "two views, MPO"}
    assert {name for name, found in told.items() if not found} >= plain
    assert told["alpha, turned"] == {"turned", "transparent"}
    assert told["16 bit grey"] == told["floating point"] == {"wide"}
    assert told["CMYK"] == told["profile of other colours, JPEG"] == {"managed"}
    assert all(told[name] >= {"turned"} for name in FILES if name.startswith("orientation") and "none" not in name)


def test_published_protocols_read_files_as_they_are_stored_and_say_how_many_it_matters_for(tmp_path: Path) -> None:
    names = ("orientation 6", "alpha", "16 bit grey", "profile of other colours", "BMP", "orientation 3")
    paths = [tmp_path / f"{number}" for number in range(len(names))]
    for path, name in zip(paths, names, strict=True):
        path.write_bytes(FILES[name].data)
        with Image.open(path) as image:
            assert np.array_equal(read_as_published(path), image.convert("RGB"))
    as_published = FileImages(paths, WIDTH, Resize(), decode="as published")
    as_shown = FileImages(paths, WIDTH, Resize(), decode="as shown")
    assert as_published.digest != as_shown.digest
    differ = (as_published.read(0, 6) != as_shown.read(0, 6)).any(axis=(1, 2, 3))
    assert differ.tolist() == [True, True, True, True, False, True]
    assert {name: protocol.decode for name, protocol in PROTOCOLS.items()} == {
        "miniature": "as shown", "ours": "as shown", "paper": "as published", "tf1": "as published",
        "adm": "as published", "clean": "as published",
    }  # fmt: skip
    told = describe_oddities(paths, PROTOCOLS["adm"], as_published.digest, tmp_path)
    assert told == describe_oddities(paths[:0] + paths, PROTOCOLS["adm"], as_published.digest, tmp_path)
    sentence = (
        "protocol adm reads files as published code does: of the split's 6 pictures, 2 shown turned and read as "
        "stored; 1 transparent and read with the colours beneath; 1 grey of 16 bits and cut off at 255; 1 in colours "
        "of their own profile, which is ignored."
    )
    assert told == (sentence,)
    assert describe_oddities(paths, PROTOCOLS["ours"], as_shown.digest, tmp_path) == ()


def test_pictures_are_opened_in_one_module() -> None:
    found = set()
    for file in (file for room in (*ROOMS, "relaionet") for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            of_pillow = isinstance(node, ast.Attribute) and node.attr == "open" and isinstance(node.value, ast.Name)
            if of_pillow and node.value.id in ("Image", "Pillow", "PIL"):
                found.add(file.relative_to(ROOT).as_posix())
    assert found == {"pipeline/images/decode.py", *OTHERS}


def test_only_fingerprints_screens_and_the_encoder_open_a_picture_without_showing_it() -> None:
    openers = set()
    for file in (file for room in (*ROOMS, "relaionet") for file in (ROOT / room).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if "open_image" in calls:
            openers.add(file.relative_to(ROOT).as_posix())
    assert openers == {
        "pipeline/images/decode.py", "pipeline/images/picture.py", "pipeline/images/fingerprints.py",
        "pipeline/embeddings/embed.py", "pipeline/screens/pixel_measures.py",
        "evaluators/comparison/pictures.py",
    }  # fmt: skip


def test_limits() -> None:
    data = FILES["BMP"].data
    with pytest.raises(TooLarge, match=r"more than 1000 pixels \(96 × 64\)"):
        read_picture(data, max_pixels=1000)
    with pytest.raises(BrokenImage, match="longer than 1,000 bytes"):
        open_image(data, MAX_PIXELS, max_bytes=1000)
    with pytest.raises(BrokenImage, match="an HTML page"):
        read_picture(b"<html>")


def test_a_jpeg_is_reduced_no_further_than_asked() -> None:
    wide = Image.fromarray(FILES["BMP"].shown).resize((WIDTH * 16, HEIGHT * 16))
    out = io.BytesIO()
    wide.save(out, "JPEG")
    for side, size in (
        (None, (1536, 1024)),
        (600, (1536, 1024)),
        (512, (768, 512)),
        (128, (192, 128)),
        (1, (192, 128)),
    ):
        stored = open_image(out.getvalue(), 10**7, side)
        assert stored.image.size == size
        assert (stored.width_px, stored.height_px) == (1536, 1024)
    assert (stored.facts.width_px, stored.facts.format) == (1536, "jpeg")


def test_no_decoder_writes_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    fax = FILES["bilevel fax, TIFF"].data
    broken = [fax[:200], fax[:-20], fax.replace(b"\x00\x01\x00\x00", b"\x00\x09\x00\x00")]
    broken += [FILES["EXIF that is none"].data, FILES["profile that is none"].data, FILES["Lab"].data[:900]]

    def read(data: bytes) -> None:
        with contextlib.suppress(BrokenImage):
            read_picture(data, max_pixels=MAX_PIXELS)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, broken * 4))
    assert capfd.readouterr() == ("", "")
